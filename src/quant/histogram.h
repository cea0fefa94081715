// How often values occurred.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tercel::inline quant {

/// Bins of one width, a power of two, on either side of zero. The width doubles when a value falls outside, so one pass
/// over the values is enough, their order does not matter, and memory is bounded.
class Histogram {
 public:
  static constexpr int kBins = 1 << 14;
  static constexpr int kMiddle = kBins / 2;  // the first bin of numbers from 0 on

  /// Infinities and NaN are not counted: finite() is false from then on.
  void add(std::span<const float> values);

  bool finite() const { return finite_; }
  int64_t count() const { return count_; }
  float low() const { return low_; }  ///< the least value; of none, 0
  float high() const { return high_; }

  double width() const;
  /// Bin i holds the values from edge(i) up to, but without, edge(i + 1).
  double edge(int i) const { return (i - kMiddle) * width(); }
  double centre(int i) const { return (i - kMiddle + 0.5) * width(); }
  int64_t bin(int i) const { return bins_.empty() ? 0 : bins_[static_cast<size_t>(i)]; }
  /// Bins first .. last - 1 hold all values.
  int first() const;
  int last() const;

  /// Share of the values below `low` or above `high`, to the accuracy of a bin.
  double share_outside(double low, double high) const;

 private:
  void widen_to(float magnitude);

  std::vector<int64_t> bins_;
  int exponent_ = -100;  // width is 2^exponent
  int64_t count_ = 0;
  float low_ = 0, high_ = 0;
  bool finite_ = true;
};

}  // namespace tercel::inline quant

#include "quant/range.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/error.h"

namespace tercel::inline quant {

ValueRange range_of(const Histogram& histogram, const QuantizeOptions& options) {
  switch (options.range) {
    case RangeMethod::minmax: return minmax_range(histogram);
    case RangeMethod::percentile: return percentile_range(histogram, options.percentile);
    case RangeMethod::mse: return mse_range(histogram, options.activations);
  }
  return {};
}

DType dtype_of(ActivationLevels levels) { return levels == ActivationLevels::u8 ? DType::u8 : DType::i8; }

LevelRange range_of(ActivationLevels levels, int32_t zero) {
  if (levels == ActivationLevels::symmetric) return {zero, -127, 127};
  return range_of(dtype_of(levels), zero);
}

Quantization levels_over(const ValueRange& range, ActivationLevels levels) {
  constexpr double kNarrowest = 1e-30;
  const LevelRange ends = range_of(levels, 0);
  double low = std::min(range.low, 0.0), high = std::max(range.high, 0.0);
  if (levels == ActivationLevels::symmetric) {
    high = std::max(-low, high);
    low = -high;
  }
  if (high - low < kNarrowest) return {{1.0f / 255}, {ends.low == -127 ? 0 : ends.low}, -1};
  const auto scale = static_cast<float>((high - low) / (ends.high - ends.low));
  const auto zero = static_cast<int32_t>(std::nearbyint(ends.low - low / static_cast<double>(scale)));
  return {{scale}, {std::clamp(zero, ends.low, ends.high)}, -1};
}

LevelError::LevelError(const Histogram& histogram) : count_(static_cast<double>(histogram.count())) {
  for (int i = histogram.first(); i < histogram.last(); ++i) {
    if (histogram.bin(i) == 0) continue;
    centres_.push_back(histogram.centre(i));
    counts_.push_back(static_cast<double>(histogram.bin(i)));
  }
}

double LevelError::of(const Quantization& to, ActivationLevels levels) const {
  if (count_ == 0) return 0;
  const LevelRange ends = range_of(levels, to.zeros[0]);
  const auto scale = static_cast<double>(to.scales[0]);
  const double inverse = 1 / scale, low = ends.low - ends.zero, high = ends.high - ends.zero;
  constexpr double kRound = 0x1.8p52;  // added and taken away: to the nearest whole number
  double sum = 0;
  for (size_t i = 0; i < centres_.size(); ++i) {
    const double level = std::clamp(centres_[i] * inverse, low, high) + kRound - kRound;
    const double error = centres_[i] - level * scale;
    sum += counts_[i] * error * error;
  }
  return sum / count_;
}

}  // namespace tercel::inline quant

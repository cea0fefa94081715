// Local response normalization of quantized values, in whole numbers (as tensor/requantize.h, and for the same reason).
//
//   y = x / (bias + alpha / size * sum of x^2 over neighbouring channels) ^ beta     (ONNX; Krizhevsky et al.
//   2012, 3.3)
//
// The sum of squared levels is a whole number; the factor that it gives is a smooth curve. A table holds the factor at
// 16 places an octave, in between lies a straight line: no farther than 2^-9 * beta (beta + 1) / 8 of the factor from
// the curve, well below half a level.
#pragma once

#include <cmath>
#include <vector>

#include "tensor/attrs.h"
#include "tensor/quantization.h"
#include "tensor/requantize.h"
#include "tensor/window.h"

namespace tercel::inline tensor {

/// Channels whose squares are summed for channel c; an even size has one more after it than before.
inline Range normalized_with(int64_t c, int64_t size, int64_t channels) {
  return {std::max<int64_t>(c - (size - 1) / 2, 0), std::min(c + size / 2 + 1, channels)};
}

class LevelNorm {
 public:
  int32_t size = 1;   ///< channels of a sum
  int32_t shift = 1;  ///< result = level * factor * 2^-shift
  std::vector<int32_t> factors;

  /// From the attributes of LRN and what the levels stand for. Nothing where the sum or the factor leaves 32 bits.
  static std::optional<LevelNorm> of(const Attrs& attrs, const Quantization& x, const Quantization& y) {
    constexpr int64_t kLargestLevel = 255;
    LevelNorm norm;
    const int64_t channels = attrs.get_int("size"), most = channels * kLargestLevel * kLargestLevel;
    if (channels < 1 || most >= (int64_t{1} << 31)) return std::nullopt;
    norm.size = static_cast<int32_t>(channels);
    const double scale = static_cast<double>(x.scales[0]);
    const double step = static_cast<double>(attrs.get_float("alpha")) / static_cast<double>(channels) * scale * scale;
    const auto factor = [&](double squares) {
      return scale / static_cast<double>(y.scales[0]) *
             std::pow(static_cast<double>(attrs.get_float("bias")) + step * squares,
                      -static_cast<double>(attrs.get_float("beta")));
    };
    std::vector<double> values;
    const int last_place = place_of(static_cast<int32_t>(most)) + 1;
    for (int place = 0; place <= last_place; ++place) values.push_back(factor(static_cast<double>(squares_at(place))));
    double largest = 0;
    for (double value : values) {
      if (!std::isfinite(value) || value <= 0) return std::nullopt;
      largest = std::max(largest, value);
    }
    const auto ratio = ratio_of(static_cast<float>(largest));
    if (!ratio) return std::nullopt;
    norm.shift = ratio->shift;
    for (double value : values)
      norm.factors.push_back(static_cast<int32_t>(std::llrint(std::ldexp(value, norm.shift))));
    return norm;
  }

  /// By which a level (less its zero point) is multiplied whose neighbours have this sum of squares.
  int32_t factor(int32_t squares) const {
    const int octave = octave_of(squares), place = place_of(squares);
    const int64_t rest = squares & ((int32_t{1} << octave) - 1);
    const int64_t here = factors[static_cast<size_t>(place)], next = factors[static_cast<size_t>(place) + 1];
    return static_cast<int32_t>(here - ((here - next) * rest >> octave));
  }

 private:
  /// Below 32 every sum has a place of its own.
  static int octave_of(int32_t squares) {
    int octave = 0;
    while (squares >> octave >= 32) ++octave;
    return octave;
  }
  static int place_of(int32_t squares) {
    const int octave = octave_of(squares);
    return octave * 16 + (squares >> octave);
  }
  static int64_t squares_at(int place) {
    if (place < 32) return place;
    const int octave = place / 16 - 1;
    return (int64_t{place} - octave * 16) << octave;
  }
};

}  // namespace tercel::inline tensor

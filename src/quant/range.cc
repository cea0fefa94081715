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

double mean_square_error(const Histogram& histogram, const Quantization& to, ActivationLevels levels) {
  if (histogram.count() == 0) return 0;
  const LevelRange ends = range_of(levels, to.zeros[0]);
  const auto scale = static_cast<double>(to.scales[0]);
  double sum = 0;
  for (int i = histogram.first(); i < histogram.last(); ++i) {
    if (histogram.bin(i) == 0) continue;
    const double x = histogram.centre(i);
    const double level = std::clamp(std::nearbyint(x / scale), static_cast<double>(ends.low - ends.zero),
                                    static_cast<double>(ends.high - ends.zero));
    const double error = x - level * scale;
    sum += static_cast<double>(histogram.bin(i)) * error * error;
  }
  return sum / static_cast<double>(histogram.count());
}

}  // namespace tercel::inline quant

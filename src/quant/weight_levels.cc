#include "quant/weight_levels.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tercel::inline quant {

WeightLevels weights_to_levels(const Tensor& weights, size_t axis, float factor, std::span<const float> least) {
  constexpr float kMost = 127;
  const Dims& dims = weights.dims();
  const int64_t channels = dims.at(axis);
  TERCEL_CHECK(static_cast<int64_t>(least.size()) == channels && weights.dtype() == DType::f32);
  int64_t inner = 1;
  for (size_t i = axis + 1; i < dims.size(); ++i) inner *= dims[i];
  const Tensor aligned = weights.aligned();
  const auto* w = reinterpret_cast<const float*>(aligned.data());
  const auto channel_of = [&](int64_t i) { return static_cast<size_t>(i / inner % channels); };

  WeightLevels result;
  result.scales.assign(static_cast<size_t>(channels), 0.0f);
  for (int64_t i = 0; i < weights.elements(); ++i) {
    float& most = result.scales[channel_of(i)];
    most = std::max(most, std::abs(w[i] * factor));
  }
  for (size_t c = 0; c < result.scales.size(); ++c) result.scales[c] = std::max(result.scales[c] / kMost, least[c]);
  result.levels = Tensor(DType::i8, dims);
  auto* levels = reinterpret_cast<int8_t*>(result.levels.mutable_data());
  for (int64_t i = 0; i < weights.elements(); ++i) {
    const float x = w[i] * factor, scale = result.scales[channel_of(i)];
    const float level = std::clamp(std::nearbyint(x / scale), -kMost, kMost);
    levels[i] = static_cast<int8_t>(level);
    const auto value = static_cast<double>(x), error = value - static_cast<double>(level * scale);
    result.signal += value * value;
    result.noise += error * error;
  }
  return result;
}

}  // namespace tercel::inline quant

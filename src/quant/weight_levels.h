// Weights in levels of 8 bits, a scale for each output channel.
#pragma once

#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tercel::inline quant {

struct WeightLevels {
  Tensor levels;                 ///< i8, -127 to 127; zero stands for zero
  std::vector<float> scales;     ///< one a channel
  double signal = 0, noise = 0;  ///< sums of squares, of the weights and of their errors
};

/// Symmetric, to the nearest. A channel's greatest magnitude is level 127, unless its `least` scale is greater than
/// that makes it. `factor` stands on all weights.
WeightLevels weights_to_levels(const Tensor& weights, size_t axis, float factor, std::span<const float> least);

}  // namespace tercel::inline quant

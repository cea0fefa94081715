// Weights in levels of 8 bits, a scale for each output channel.
#pragma once

#include <span>
#include <vector>

#include "quant/curvature.h"
#include "tensor/tensor.h"

namespace tercel::inline quant {

struct WeightLevels {
  Tensor levels;                 ///< i8, -127 to 127; zero stands for zero
  std::vector<float> scales;     ///< one a channel
  double signal = 0, noise = 0;  ///< sums of squares, of the weights and of their errors
};

/// Symmetric. A channel's greatest magnitude is level 127, unless its `least` scale is greater than that makes it.
/// `axis`: of the channels, the first, or the last of a matrix. `factor` stands on all weights. With a curvature the
/// error of each weight is passed on to those after it in its row (error feedback: quant/curvature.h); else each goes
/// to the nearest level.
WeightLevels weights_to_levels(const Tensor& weights, size_t axis, float factor, std::span<const float> least,
                               const Curvature* curvature = nullptr);

}  // namespace tercel::inline quant

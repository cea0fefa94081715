// The arithmetic of a layer in the form that the kernels read.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "engines/pipeline/word_vector.h"
#include "tensor/requantize.h"
#include "tensor/tensor.h"
#include "tensor/window.h"
#include "tercel/fpga.h"

namespace tercel::inline engines {

/// Weights as they stand in the graph: element of output channel o, input channel i of its group, row y, column x.
struct WeightView {
  const std::byte* data = nullptr;  ///< nullptr: every weight is 1
  bool is_signed = true;
  int64_t step_o = 0, step_i = 0, step_y = 0, step_x = 0;
  std::vector<int32_t> zeros;  ///< one for all, or one per output channel

  int32_t operator()(int64_t o, int64_t i, int64_t y, int64_t x) const {
    return data == nullptr ? 1 : at(o * step_o + i * step_i + y * step_y + x * step_x, o);
  }
  /// Element `place` of the constant, one of output channel o's.
  int32_t at(int64_t place, int64_t o) const {
    const std::byte b = data[place];
    const int32_t level = is_signed ? static_cast<int8_t>(b) : static_cast<uint8_t>(b);
    return level - zeros[zeros.size() == 1 ? 0 : static_cast<size_t>(o)];
  }
};

/// What a layer computes for its output channels.
struct LayerArithmetic {
  bool by_channel = false;                                ///< each channel by itself
  int64_t groups = 1, out_channels = 0, in_channels = 0;  ///< in_channels: of a group
  std::array<Window, 2> window;                           ///< rows, columns
  WeightView weights;
  std::vector<Ratio> ratios;  ///< one for all, or one per output channel
  std::vector<int32_t> bias;  ///< empty: none
};

/// How the channels of a layer fall into words and lanes.
struct LayerShares {
  int64_t lane_groups = 0, groups_of_lanes = 0, words_per_tap = 0, taps = 0;
  int64_t together = 1;  ///< channel groups that share the lanes: weights across them are zeros
};
LayerShares shares_of(const LayerArithmetic& a, const DesignPoint& design);

/// Appends a weight word for each lane group and tap. Weights less their zero points are signed bytes.
void pack_weights(const LayerArithmetic& a, const DesignPoint& design, WordVector<int8_t>& words);

/// Appends a scale word for each lane group: bias, multiplier, shift. The zero point of the input goes into the bias,
/// since padding is a level like any other (in_zero: as memory has it). Throws Error for a bias that needs more than 32
/// bits.
void pack_scales(const LayerArithmetic& a, int32_t in_zero, const DesignPoint& design, WordVector<int32_t>& words);

}  // namespace tercel::inline engines

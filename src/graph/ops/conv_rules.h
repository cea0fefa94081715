// The shape rule of convolution, for its several forms (plain, fused, quantized).
#pragma once

#include "graph/ops/rules.h"

namespace tercel::inline graph {

/// auto_pad, dilations, group, kernel_shape, pads, strides.
std::vector<AttrSpec> conv_attrs();

/// Result shape of a convolution of operand x (n c spatial; 1 to 3 spatial axes) with operand w (oc c/group spatial)
/// and, where it is there, operand bias (oc); nothing where no operand tells the rank.
std::optional<Dims> infer_conv_dims(const InferContext& c, size_t x, size_t w, size_t bias);

/// A scale or zero point is one number, or one per channel.
void need_per_channel(const InferContext& c, size_t operand, int64_t channels, std::string_view what);

/// Sets result 0, unranked where `dims` is nothing.
inline void set_or_unranked(InferContext& c, DType dtype, std::optional<Dims> dims) {
  if (dims) c.set(0, dtype, std::move(*dims));
  else c.set_unranked(0, dtype);
}

}  // namespace tercel::inline graph

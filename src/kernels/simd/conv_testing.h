// For tests: problems of FusedConv with seeded operands.
#pragma once

#include "kernels/simd/variant_testing.h"
#include "tensor/activation.h"
#include "tensor/window.h"

namespace tercel::inline kernels {

using Ints = std::vector<int64_t>;

struct Conv {
  int64_t n = 1, c = 8, h = 7, w = 9;
  int64_t oc = 8, kh = 3, kw = 3, group = 1;
  Ints strides = {1, 1}, dilations = {1, 1}, pads = {1, 1, 1, 1};
  bool bias = true, residual = false;
  Activation activation = Activation::none;
};

inline VariantCase case_of(const Conv& conv) {
  VariantCase c;
  c.op = "FusedConv";
  c.attrs = {{"group", conv.group},
             {"strides", conv.strides},
             {"dilations", conv.dilations},
             {"pads", conv.pads},
             {"activation", std::string(to_string(conv.activation))},
             {"alpha", conv.activation == Activation::clip ? -0.25f : 0.3f},
             {"beta", 0.4f}};
  const Dims x = {conv.n, conv.c, conv.h, conv.w}, weights = {conv.oc, conv.c / conv.group, conv.kh, conv.kw};
  const auto windows = conv_windows(c.attrs, std::span(x).subspan(2), std::span(weights).subspan(2));
  const Dims y = {conv.n, conv.oc, windows[0].output, windows[1].output};
  c.src = {random_floats(x, 1), random_floats(weights, 2)};
  c.src.push_back(conv.bias ? random_floats({conv.oc}, 3) : Tensor());
  c.constant = {1, 2};
  if (conv.residual) c.src.push_back(random_floats(y, 4));
  c.dst = {{DType::f32, y}};
  return c;
}

}  // namespace tercel::inline kernels

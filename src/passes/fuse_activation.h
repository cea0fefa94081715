#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// An activation after FusedConv, FusedMatMul or Add is applied as the result is written:
///
///   FusedConv -> Relu   =>   FusedConv {activation = "Relu"}
///   Add -> Relu         =>   FusedAdd {activation = "Relu"}
///
/// Relu, Clip with constant bounds, LeakyRelu, HardSigmoid, HardSwish, Sigmoid, Tanh, Silu, Gelu, Elu, Softplus, Mish.
int fuse_activation(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// Conv => FusedConv; MatMul and Gemm => FusedMatMul: the forms that take a residual and an activation. f32 only.
/// Gemm's alpha and beta must be 1 or foldable into constants (alpha into alpha_scale, beta into a constant bias).
int lower_linear(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

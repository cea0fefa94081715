#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// Add after FusedConv or FusedMatMul:
///
///   FusedMatMul(a, b) + constant[n]          =>   FusedMatMul(a, b, bias)
///   FusedConv(x, w) + constant[1, oc, 1, 1]  =>   FusedConv(x, w, bias)
///   Fused...(...) + r, r of the same shape   =>   Fused...(..., residual = r)
///   FusedMatMul(a, b) * scalar, / scalar     =>   alpha_scale
///
/// Only where nobody else reads the product.
int fuse_add(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

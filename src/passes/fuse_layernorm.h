#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// LayerNormalization over the last axis, written as primitive operators:
///
///   d = x - ReduceMean(x);  d / Sqrt(ReduceMean(d^2) + eps) * gamma + beta   =>   LayerNormalization(x, gamma, beta)
///
/// d^2 may be Pow(d, 2) or Mul(d, d); the quotient may be Div or Mul by a Reciprocal.
int fuse_layernorm(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

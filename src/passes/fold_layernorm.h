#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// Scale and bias of LayerNormalization (Ba, Kiros and Hinton 2016) go into the matrix products that read it, through
/// operators that only move elements (Swin's windows, a class token that is picked):
///
///   x -> LayerNormalization(gamma, beta) -> MatMul(W) -> Add(b)
///   x -> LayerNormalization(1)           -> MatMul(diag(gamma) W) -> Add(b + beta W)
///
/// computed in double. What is left is (x - mean) / sigma, which defer_layernorm turns into a factor per row; in other
/// runtimes it costs what it did. Kept as they are, with a note: norms that anything else reads too (a residual in
/// post-norm networks), or whose result is padded with zeros while beta is not 0 (padding would become beta W).
int fold_layernorm(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

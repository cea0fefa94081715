#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// LayerNormalization that fold_layernorm has left without scale and bias, in front of FusedMatMul. Centring is linear
/// and goes into the weights; 1 / sigma is one number per row, commutes with the product and is multiplied in as the
/// product is written:
///
///   x -> LayerNormalization(1) -> FusedMatMul(W, b)
///   x -> FusedMatMul(P W, b, row_scale = ai.tercel.RowScale(x)),    P = I - 11'/n
///
/// Where everything that writes x can be centred too (centre_stream.h), RowScale needs no mean. The same deferred
/// scale, for RMSNorm: Graef et al. 2024, "FlashNorm" (arXiv 2407.09577).
int defer_layernorm(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

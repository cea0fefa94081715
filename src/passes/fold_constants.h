#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// Nodes whose operands are all constant are computed now; Shape and Size of values of known shape too.
/// Types are inferred on the way, so that chains from Shape to Reshape fold in one sweep.
/// Weights and biases behind a DequantizeLinear that meet dequantized activations stay levels, and the graph standard.
int fold_constants(Graph& graph, PassContext& context);

/// The same, those too: for whoever wants weights as floats.
int fold_dequantized(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

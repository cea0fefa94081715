#pragma once

#include "passes/pass.h"

namespace tercel {

/// Nodes whose operands are all constant are computed now; Shape and Size of values of known shape too.
/// Types are inferred on the way, so that chains from Shape to Reshape fold in one sweep.
int fold_constants(Graph& graph, PassContext& context);

}  // namespace tercel

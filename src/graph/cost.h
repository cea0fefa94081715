#pragma once

#include "graph/graph.h"

namespace tercel::inline graph {

/// Multiply-accumulates of convolutions and matrix products, counted directly (no transform tricks); kUnknown where
/// their shapes are open, 0 for all other operators.
int64_t count_macs(const Node& node);

/// Elements of all constants of floating type: what "parameters" means in papers.
int64_t count_parameters(const Graph& graph);

}  // namespace tercel::inline graph

// Types of all values, from the inputs forward.
#pragma once

#include "graph/graph.h"

namespace tercel {

/// Runs every node's shape rule in order and records what follows; what is known already and does not follow stays.
/// Throws Error that names the node where a rule is broken, or where a declared type contradicts the rule.
void infer_types(Graph& graph);

/// The same for one node.
void infer_types(Node& node);

}  // namespace tercel

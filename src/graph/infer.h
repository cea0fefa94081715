// Types of all values, from the inputs forward.
#pragma once

#include "graph/graph.h"

namespace tercel::inline graph {

/// Runs every node's shape rule in order and records what follows; what is known already and does not follow stays.
/// Throws Error that names the node where a rule is broken, or where a declared type contradicts the rule.
void infer_types(Graph& graph);

/// The same for one node.
void infer_types(Node& node);

/// Are its results elements of operand 0 (Concat: of its operands), moved and never changed? Such operators take levels
/// as they take what the levels stand for. (The largest of some elements is one of them.)
bool moves_elements(const Node& node);

}  // namespace tercel::inline graph

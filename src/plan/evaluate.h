// One node on constant operands: what constant folding asks for.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace tercel::inline plan {

/// Can this node be computed now: all operands constant, result types known, an implementation there?
bool can_evaluate(const Node& node);

/// All results, by the reference kernel; an absent Tensor for a result nobody wants.
std::vector<Tensor> evaluate(const Node& node);

}  // namespace tercel::inline plan

#pragma once

#include "graph/graph.h"

namespace tercel::inline graph {

/// Checks that the graph keeps its own promises: unique names, every value made once and before it is read, users and
/// producers agree, attributes complete, declared types as the shape rules say. A broken promise is a mistake of the
/// pass that ran last, so this throws Bug, naming `after`.
void verify(const Graph& graph, std::string_view after);

}  // namespace tercel::inline graph

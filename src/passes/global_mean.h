// Which nodes take the mean of every channel's whole map.
#pragma once

#include "graph/graph.h"

namespace tercel::inline passes {

/// The mean over all axes but the first two: GlobalAveragePool, ReduceMean over those axes, and AveragePool with a
/// window as large as the map and no padding. Shapes that are not known make it false for the last two.
bool is_global_mean(const Node& node);

}  // namespace tercel::inline passes

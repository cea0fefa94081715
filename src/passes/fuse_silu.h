#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// x * Sigmoid(x)   =>   Silu(x).
int fuse_silu(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

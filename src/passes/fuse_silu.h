#pragma once

#include "passes/pass.h"

namespace tercel {

/// x * Sigmoid(x)   =>   Silu(x).
int fuse_silu(Graph& graph, PassContext& context);

}  // namespace tercel

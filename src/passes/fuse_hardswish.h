#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// x * HardSigmoid(x; 1/6, 1/2), and x * Clip(x + 3, 0, 6) / 6 in its orders  =>  HardSwish(x)  (ONNX opset 14).
int fuse_hardswish(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

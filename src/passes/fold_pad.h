#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// Pad with zeros in front of Conv, or of AveragePool that counts padding, becomes the operator's own pads:
///
///   x -> Pad -> Conv(pads p)   =>   x -> Conv(pads p + pad)
int fold_pad(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

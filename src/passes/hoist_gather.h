#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// Where only single rows of a layer normalization are read (the class token), only those are normalized:
///
///   x -> LayerNormalization -> Gather(one token)   =>   x -> Gather(one token) -> LayerNormalization
///
/// Also for Slice of one; several tokens (DeiT's distillation token) get a norm each.
int hoist_gather(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

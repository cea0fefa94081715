#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// Operators that hand their operand on unchanged: Identity, Cast to the same type, Reshape, Expand and Transpose that
/// move nothing, Pad by zero, Slice of everything, Concat of one, and pairs of Transposes that are one Transpose.
///
///   x -> Identity -> y        =>   x (= y)
int drop_identity(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

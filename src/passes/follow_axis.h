// Where an axis goes through operators that only move elements.
#pragma once

#include <optional>

#include "graph/graph.h"

namespace tercel::inline passes {

/// The axis of result 0 of `node` that holds, whole and in order, the elements of `axis` of operand `operand`; every
/// other axis may be cut, permuted, stretched or joined. Nothing where `node` is no such operator, takes the axis
/// apart, or where too little is known of the shapes. Pad follows too where it adds zeros.
///
/// Identity, Transpose, Reshape, Flatten, Squeeze, Unsqueeze, Expand, Slice, Split, Gather, Pad, Concat.
std::optional<int64_t> follow_axis(const Node& node, size_t operand, int64_t axis);

}  // namespace tercel::inline passes

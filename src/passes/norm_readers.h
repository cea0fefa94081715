// Layer normalizations, and the matrix products that read them.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace tercel::inline passes {

/// Is this a LayerNormalization of f32 over its last axis alone, of known extent, whose statistics are not used?
bool is_row_norm(const Node& node);

/// The readers of a value along its last axis, through operators that only move elements.
struct LinearReaders {
  std::vector<Node*> linears;  ///< each reads whole rows as operand 0 and has constant weights
  bool padded = false;         ///< zeros may have joined the rows on the way
  std::string refusal;         ///< not empty: other nodes read it too, or it is not known which do
};

/// `ops`: what counts as a matrix product here ("MatMul", "Gemm", "FusedMatMul").
LinearReaders find_linear_readers(const Graph& graph, const Value* value, std::initializer_list<std::string_view> ops);

/// The node right behind the producer of `value`; for a value without producer, the first. nullptr: there is none.
const Node* node_behind(const Graph& graph, const Value* value);

}  // namespace tercel::inline passes

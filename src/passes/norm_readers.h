// Layer normalizations, and the matrix products that read them.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace tercel {

/// Is this a LayerNormalization of f32 over its last axis alone, of known extent, that nobody asks for statistics?
bool is_row_norm(const Node& node);

/// Who reads a value along its last axis, as far as only elements were moved in between.
struct LinearReaders {
  std::vector<Node*> linears;  ///< each reads whole rows as operand 0 and has constant weights
  bool padded = false;         ///< zeros may have joined the rows on the way
  std::string refusal;         ///< not empty: somebody else reads it too, or it is not known who does
};

/// `ops`: what counts as a matrix product here ("MatMul", "Gemm", "FusedMatMul").
LinearReaders find_linear_readers(const Graph& graph, const Value* value, std::initializer_list<std::string_view> ops);

/// The node right behind the one that makes `value`; for a value that no node makes, the first. nullptr: there is none.
const Node* node_behind(const Graph& graph, const Value* value);

}  // namespace tercel

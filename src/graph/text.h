// The graph as text: read in reviews, compared in tests, mailed in bug reports.
//
//   graph "resnet20"
//   meta "tercel.preprocess" = "cifar"
//   input %x : f32[?x3x32x32]
//   const %w : f32[16x3x3x3] = [0.5, -1, ...]        every element, shortest form that reads back the same
//   const %big : f32[512x512] = #9f86d081884c7d65    left out: a digest, enough to compare but not to read back
//   %y : f32[?x16x32x32] = Conv(%x, %w, _) {pads = [1, 1, 1, 1]} "conv1"
//   output %y
//
// One statement a line; `_` is an operand left out; attributes at their default are not shown; names that are not plain
// words stand in quotes.
#pragma once

#include <string>
#include <string_view>

#include "graph/graph.h"

namespace tercel::inline graph {

struct TextOptions {
  /// Constants of more elements are shown as a digest. The default shows all of them, so that the text parses back.
  int64_t max_elements = kMaxElements;
};

std::string print(const Graph& graph, const TextOptions& options = {});

/// Reads what print() writes. Throws Error with the line number.
Graph parse_graph(std::string_view text);

/// FNV-1a over type, shape and bytes: for telling tensors apart in text, not for security.
uint64_t digest(const Tensor& tensor);

}  // namespace tercel::inline graph

// Which nodes of a network of floats compute on levels once it is quantized, and which values are quantized for it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace tercel::inline quant {

/// A convolution or product with constant weights, and what belongs to it.
struct LevelProduct {
  Node* node = nullptr;
  Value* sums = nullptr;             ///< what it gives, bias included, before any activation
  Node* bias_add = nullptr;          ///< of MatMul: the Add of its bias; else nullptr
  Value* bias = nullptr;             ///< a constant of one element a channel, or of one for all; or nullptr
  size_t weight_axis = 0;            ///< of output channels in the weights
  size_t channel_axis_from_end = 0;  ///< the same in `sums`, counted from the last axis
  int64_t channels = 0;
};

/// A value that gets QuantizeLinear and DequantizeLinear.
struct LevelValue {
  Value* value = nullptr;
  Value* like = nullptr;  ///< has the scale of this one, which is itself where it has its own
  Node* by = nullptr;     ///< the node on levels that computes it, activations left out; nullptr: floats make it
};

struct LevelChoice {
  std::vector<LevelProduct> products;  ///< in running order
  std::vector<LevelValue> values;      ///< in running order
  std::set<const Node*> nodes;         ///< that compute on levels, with their biases and activations

  const LevelValue* find(const Value* value) const;
};

/// Products read levels; Conv and Gemm give levels, MatMul where somebody wants its result as levels. Sums of two
/// values, Concat, pools, LRN, means over all of a picture, Relu, Clip, and what only moves elements are on levels
/// where their operands are and somebody wants the result as levels: such a node, or the outside, which takes means
/// over a picture as floats. So a network of convolutions is on levels from its first product to its end, while the
/// sums of a transformer's stream, its norms and its softmax stay in floats.
///
/// `keep`: nodes that stay in floats, by name or result.
LevelChoice choose_levels(Graph& graph, const std::set<std::string>& keep);

}  // namespace tercel::inline quant

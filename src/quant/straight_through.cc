#include "quant/straight_through.h"

#include <vector>

namespace tercel::inline quant {
namespace {

bool is_scalar(const Value* value) {
  return value != nullptr && value->is_constant() && value->constant.elements() == 1;
}

/// DequantizeLinear right behind a QuantizeLinear of the same scalars, of 8 bits.
bool undoes(const Node& node) {
  if (!node.is("DequantizeLinear") || node.input(0)->producer == nullptr) return false;
  const Node& quantize = *node.input(0)->producer;
  const DType integers = node.input(0)->type.dtype;
  if (!quantize.is("QuantizeLinear") || (integers != DType::i8 && integers != DType::u8)) return false;
  if (quantize.input(0)->type.dtype != DType::f32 || node.output()->type.dtype != DType::f32) return false;
  for (size_t i : {1u, 2u}) {
    const Value *a = quantize.input(i), *b = node.input(i);
    if (a == nullptr && b == nullptr && i == 2) continue;
    if (!is_scalar(a) || !is_scalar(b) || !(a->constant.to_doubles() == b->constant.to_doubles())) return false;
  }
  return true;
}

}  // namespace

void pass_straight_through(Graph& graph) {
  std::vector<Node*> nodes;
  for (const auto& node : graph.nodes())
    if (undoes(*node)) nodes.push_back(node.get());
  for (Node* node : nodes) {
    Value* x = node->input(0)->producer->input(0);
    const double scale = node->input(1)->constant.to_doubles()[0];
    const double zero = node->input(2) == nullptr ? 0 : node->input(2)->constant.to_doubles()[0];
    const double least = node->input(0)->type.dtype == DType::i8 ? -128 : 0;
    const auto bound = [&](double level) {
      return graph.add_constant("bound", Tensor::scalar(static_cast<float>((level - zero) * scale)));
    };
    Value* y = node->output();
    Value* clipped = graph.add_value("clipped", y->type);
    graph.add_node("Clip", {x, bound(least), bound(least + 255)}, {clipped}, {}, "", node);
    const std::string name = y->name;
    graph.replace_uses(y, clipped);
    graph.rename(y, name + "/rounded");
    graph.rename(clipped, name);
  }
  graph.drop_unused();
}

}  // namespace tercel::inline quant

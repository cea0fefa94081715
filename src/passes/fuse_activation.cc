#include "passes/fuse_activation.h"

#include "passes/match.h"
#include "passes/node_activation.h"

namespace tercel::inline passes {
namespace {

bool fuse(Graph& graph, Node& node) {
  if (node.output() == nullptr || node.output()->type.dtype != DType::f32) return false;
  const NodeActivation fused = activation_of(node);
  if (fused.kind == Activation::none) return false;
  Value* inner = node.input(0);
  Node* producer = inner->producer;
  if (producer == nullptr || sole_user(graph, inner) != &node) return false;
  const bool linear = producer->is("FusedConv") || producer->is("FusedMatMul");
  if (!linear && !producer->is("Add")) return false;
  if (linear && producer->attrs.get_string("activation") != "none") return false;
  Attrs attrs = producer->attrs;
  set_activation(attrs, fused);
  Value* result = graph.add_value("activation", node.output()->type);
  graph.add_node(linear ? producer->op : "FusedAdd", producer->inputs, {result}, std::move(attrs), producer->name,
                 &node);
  take_over(graph, node.output(), result);
  return true;
}

}  // namespace

int fuse_activation(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) { return fuse(graph, node); });
}

}  // namespace tercel::inline passes

#include "passes/fuse_silu.h"

#include "passes/match.h"

namespace tercel::inline passes {

int fuse_silu(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) {
    if (!node.is("Mul") || node.output()->type.dtype != DType::f32) return false;
    for (size_t i : {size_t{0}, size_t{1}}) {
      const Node* sigmoid = made_by(node.input(i), "Sigmoid");
      if (sigmoid == nullptr || sigmoid->input(0) != node.input(1 - i)) continue;
      Value* result = graph.add_value("silu", node.output()->type);
      graph.add_node("Silu", {sigmoid->inputs[0]}, {result}, {}, node.name, &node);
      take_over(graph, node.output(), result);
      return true;
    }
    return false;
  });
}

}  // namespace tercel::inline passes

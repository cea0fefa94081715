#include "passes/fuse_hardswish.h"

#include <cmath>

#include "passes/match.h"

namespace tercel::inline passes {
namespace {

constexpr double kTolerance = 1e-4;

/// What a factor says of hard_swish(x) = x * clip(x/6 + 1/2, 0, 1): the x it gates, and the factor 6 that it may lack.
struct Gate {
  Value* x = nullptr;
  double missing = 1;
};

Gate gate_of(const Value* value) {
  if (const Node* sigmoid = made_by(value, "HardSigmoid")) {
    const bool fits = std::abs(sigmoid->attrs.get_float("alpha") - 1.0 / 6) < kTolerance &&
                      std::abs(sigmoid->attrs.get_float("beta") - 0.5) < kTolerance;
    return fits ? Gate{sigmoid->input(0), 1} : Gate{};
  }
  const Node* clip = made_by(value, "Clip");
  if (clip == nullptr || !is_scalar_constant(clip->input(1), 0) || !is_scalar_constant(clip->input(2), 6)) return {};
  const auto sum = split_scalar(made_by(clip->input(0), "Add"));
  return sum && std::abs(sum->scalar - 3) < kTolerance ? Gate{sum->rest, 1.0 / 6} : Gate{};
}

}  // namespace

int fuse_hardswish(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) {
    if (!is_product(node) || node.output()->type.dtype != DType::f32) return false;
    ProductOfFactors product;
    collect_product(graph, node, product);
    if (product.factors.size() != 2) return false;
    for (size_t i : {size_t{0}, size_t{1}}) {
      Value* x = product.factors[i];
      const Gate gate = gate_of(product.factors[1 - i]);
      if (gate.x != x || std::abs(product.scalar - gate.missing) > kTolerance || !same_rank(x, node.output())) continue;
      Value* result = graph.add_value("hardswish", node.output()->type);
      graph.add_node("HardSwish", {x}, {result}, {}, node.name, &node);
      take_over(graph, node.output(), result);
      return true;
    }
    return false;
  });
}

}  // namespace tercel::inline passes

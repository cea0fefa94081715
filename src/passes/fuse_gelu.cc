#include "passes/fuse_gelu.h"

#include <cmath>

#include "passes/match.h"

namespace tercel::inline passes {
namespace {

constexpr double kTolerance = 1e-4;  // exporters write 1/sqrt(2) with few digits

/// 1 + Erf(x / sqrt 2): returns x.
Value* erf_argument(const Value* value) {
  const auto sum = split_scalar(made_by(value, "Add"));
  if (!sum || std::abs(sum->scalar - 1) > kTolerance) return nullptr;
  const Node* erf = made_by(sum->rest, "Erf");
  if (erf == nullptr) return nullptr;
  const Node* scale = erf->input(0)->producer;
  if (scale == nullptr) return nullptr;
  if (scale->is("Div") && is_scalar_constant(scale->input(1), M_SQRT2, kTolerance)) return scale->input(0);
  const auto product = scale->is("Mul") ? split_scalar(scale) : std::nullopt;
  return product && std::abs(product->scalar - M_SQRT1_2) < kTolerance ? product->rest : nullptr;
}

}  // namespace

int fuse_gelu(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) {
    if (!is_product(node)) return false;
    ProductOfFactors product;
    collect_product(graph, node, product);
    if (product.factors.size() != 2 || std::abs(product.scalar - 0.5) > kTolerance) return false;
    for (size_t i : {size_t{0}, size_t{1}}) {
      Value* x = product.factors[i];
      if (erf_argument(product.factors[1 - i]) != x || !same_rank(x, node.output())) continue;
      Value* result = graph.add_value("gelu", node.output()->type);
      graph.add_node("Gelu", {x}, {result}, {}, node.name, &node);
      take_over(graph, node.output(), result);
      return true;
    }
    return false;
  });
}

}  // namespace tercel::inline passes

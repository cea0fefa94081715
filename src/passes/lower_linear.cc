#include "passes/lower_linear.h"

#include "passes/match.h"

namespace tercel::inline passes {
namespace {

/// Gemm's c as a bias: times beta. nullptr: there is none; nothing: beta cannot be folded.
std::optional<Value*> bias_of(Graph& graph, const Node& gemm) {
  Value* c = gemm.input(2);
  const float beta = gemm.attrs.get_float("beta");
  if (c == nullptr || beta == 0) return nullptr;
  if (beta == 1) return c;
  if (!is_f32_constant(c)) return std::nullopt;
  std::vector<float> values;
  for (double v : c->constant.to_doubles()) values.push_back(static_cast<float>(v * beta));
  return graph.add_constant(c->name + "_beta", Tensor::of<float>(c->type.dims, values));
}

bool lower(Graph& graph, Node& node) {
  if (node.output() == nullptr || node.input(0) == nullptr || node.input(0)->type.dtype != DType::f32) return false;
  std::vector<Value*> operands = node.inputs;
  std::string op;
  Attrs attrs;
  if (node.is("Conv")) {
    op = "FusedConv";
    attrs = node.attrs;
  } else if (node.is("MatMul")) {
    op = "FusedMatMul";
  } else if (node.is("Gemm")) {
    const auto bias = bias_of(graph, node);
    if (!bias) return false;
    op = "FusedMatMul";
    operands = {node.input(0), node.input(1)};
    if (*bias != nullptr) operands.push_back(*bias);
    attrs = {{"transA", node.attrs.get_int("transA")},
             {"transB", node.attrs.get_int("transB")},
             {"alpha_scale", node.attrs.get_float("alpha")}};
  } else {
    return false;
  }
  Value* result = graph.add_value("linear", node.output()->type);
  graph.add_node(op, std::move(operands), {result}, std::move(attrs), node.name, &node);
  take_over(graph, node.output(), result);
  return true;
}

}  // namespace

int lower_linear(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) { return lower(graph, node); });
}

}  // namespace tercel::inline passes

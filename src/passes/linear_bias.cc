#include "passes/linear_bias.h"

#include "passes/linear_weights.h"
#include "passes/match.h"
#include "passes/norm_readers.h"

namespace tercel {
namespace {

/// The constant that the only reader of a product adds to its columns: that reader and the operand it is.
struct Bias {
  Node* add = nullptr;
  size_t operand = 0;
};
Bias bias_behind(const Graph& graph, const Node& matmul, int64_t n) {
  Node* add = sole_user(graph, matmul.output());
  if (add == nullptr || !add->is("Add")) return {};
  const size_t operand = add->input(0) == matmul.output() ? 1 : 0;
  return is_column_vector(add->input(operand), n) ? Bias{add, operand} : Bias{};
}

Tensor sum(const Tensor& bias, double factor, const std::vector<double>& shift) {
  std::vector<double> values = bias.to_doubles();
  for (size_t j = 0; j < values.size(); ++j) values[j] = factor * values[j] + shift[j];
  return rounded(values, bias.dims());
}

}  // namespace

bool is_column_vector(const Value* value, int64_t n) {
  return is_f32_constant(value) && value->constant.elements() == n && !value->type.dims.empty() &&
         value->type.dims.back() == n;
}

bool takes_bias(const Node& linear, int64_t n) {
  if (!linear.is("Gemm") || linear.input(2) == nullptr) return linear.output() != nullptr;
  return linear.output() != nullptr && is_column_vector(linear.input(2), n);
}

void add_bias(Graph& graph, Node& linear, std::vector<double> shift) {
  const auto n = static_cast<int64_t>(shift.size());
  if (linear.is("Gemm")) {
    Value* old = linear.input(2);
    const auto alpha = static_cast<double>(linear.attrs.get_float("alpha"));
    const auto beta = static_cast<double>(linear.attrs.get_float("beta"));
    for (double& s : shift) s *= alpha;
    Tensor bias = old == nullptr ? rounded(shift, {n}) : sum(old->constant, beta, shift);
    graph.set_input(&linear, 2, graph.add_constant(old == nullptr ? "bias" : old->name + "_ln", std::move(bias)));
    linear.attrs.set("beta", 1.0f);
    return;
  }
  if (const Bias bias = bias_behind(graph, linear, n); bias.add != nullptr) {
    const Value* old = bias.add->input(bias.operand);
    graph.set_input(bias.add, bias.operand, graph.add_constant(old->name + "_ln", sum(old->constant, 1, shift)));
    return;
  }
  Value* product = linear.output();
  Value* result = graph.add_value("biased", product->type);
  const Node* behind = node_behind(graph, product);
  take_over(graph, product, result);
  graph.add_node("Add", {product, graph.add_constant("bias", rounded(shift, {n}))}, {result}, {},
                 linear.name.empty() ? "" : linear.name + "_bias", behind);
}

}  // namespace tercel

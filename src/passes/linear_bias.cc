#include "passes/linear_bias.h"

#include <cmath>

#include "passes/linear_weights.h"
#include "passes/match.h"
#include "passes/norm_readers.h"

namespace tercel::inline passes {
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

/// What is added, computed when somebody looks; nothing in it is larger than `bound`.
struct Shift {
  std::function<std::vector<double>()> values;
  double bound = 0;
};

/// factor * bias + scale * shift.
Tensor sum(const Tensor& bias, double factor, const Shift& shift, double scale = 1) {
  const double bound = std::abs(factor) * static_cast<double>(bias.bound()) + std::abs(scale) * shift.bound;
  return edited_later(bias, bound, [factor, scale, values = shift.values](float* elements) {
    const std::vector<double> shifts = values();
    for (size_t j = 0; j < shifts.size(); ++j)
      elements[j] = static_cast<float>(factor * static_cast<double>(elements[j]) + scale * shifts[j]);
  });
}

Tensor zeros(int64_t n) { return Tensor::of<float>({n}, std::vector<float>(static_cast<size_t>(n), 0.0f)); }

}  // namespace

bool is_column_vector(const Value* value, int64_t n) {
  return is_f32_constant(value) && value->constant.elements() == n && !value->type.dims.empty() &&
         value->type.dims.back() == n;
}

bool takes_bias(const Node& linear, int64_t n) {
  if (!linear.is("Gemm") || linear.input(2) == nullptr) return linear.output() != nullptr;
  return linear.output() != nullptr && is_column_vector(linear.input(2), n);
}

void add_bias(Graph& graph, Node& linear, int64_t n, double bound, std::function<std::vector<double>()> values) {
  const Shift shift{std::move(values), bound};
  if (linear.is("Gemm")) {
    Value* old = linear.input(2);
    const auto alpha = static_cast<double>(linear.attrs.get_float("alpha"));
    const auto beta = static_cast<double>(linear.attrs.get_float("beta"));
    Tensor bias = old == nullptr ? sum(zeros(n), 1, shift, alpha) : sum(old->constant, beta, shift, alpha);
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
  graph.add_node("Add", {product, graph.add_constant("bias", sum(zeros(n), 1, shift))}, {result}, {},
                 linear.name.empty() ? "" : linear.name + "_bias", behind);
}

}  // namespace tercel::inline passes

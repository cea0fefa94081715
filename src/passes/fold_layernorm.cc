#include "passes/fold_layernorm.h"

#include <algorithm>

#include "base/error.h"
#include "passes/linear_weights.h"
#include "passes/match.h"
#include "passes/norm_readers.h"

namespace tercel {
namespace {

bool all_equal(const std::vector<double>& values, double wanted) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == wanted; });
}

/// One number per column: a constant of shape [n], [1, n], ...
bool is_column_vector(const Value* value, int64_t n) {
  return is_f32_constant(value) && value->constant.elements() == n && !value->type.dims.empty() &&
         value->type.dims.back() == n;
}

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

/// Can `beta W` be added to the columns of this product?
bool takes_bias(const Node& linear, int64_t n) {
  if (!linear.is("Gemm") || linear.input(2) == nullptr) return linear.output() != nullptr;
  return linear.output() != nullptr && is_column_vector(linear.input(2), n);
}

Tensor sum(const Tensor& bias, double factor, const std::vector<double>& shift) {
  std::vector<double> values = bias.to_doubles();
  for (size_t j = 0; j < values.size(); ++j) values[j] = factor * values[j] + shift[j];
  return rounded(values, bias.dims());
}

/// Adds one number per column to what the product gives.
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
  graph.add_node("Add", {product, graph.add_constant("bias", rounded(shift, {n}))}, {result}, {}, linear.name, behind);
}

bool fold(Graph& graph, Node& norm, PassContext& context) {
  const auto refuse = [&](const std::string& why) {
    context.notes.push_back(fmt::format("{} keeps its scale: {}", norm.describe(), why));
    return false;
  };
  if (!norm.is("LayerNormalization")) return false;
  if (!is_row_norm(norm)) return refuse("it is not over the last axis alone, in f32, of known extent");
  const int64_t size = norm.input(0)->type.dims.back();
  for (size_t i : {size_t{1}, size_t{2}})
    if (norm.input(i) != nullptr && !is_column_vector(norm.input(i), size))
      return refuse(i == 1 ? "it is no constant of one number per channel" : "its bias is no constant like that");
  const std::vector<double> gamma = norm.input(1)->constant.to_doubles();
  const std::vector<double> beta = norm.input(2) == nullptr ? std::vector<double>(static_cast<size_t>(size), 0.0)
                                                            : norm.input(2)->constant.to_doubles();
  if (all_equal(gamma, 1) && norm.input(2) == nullptr) return false;  // nothing left to fold
  const LinearReaders readers = find_linear_readers(graph, norm.output(), {"MatMul", "Gemm"});
  if (!readers.refusal.empty()) return refuse(readers.refusal);
  const bool shifts = !all_equal(beta, 0);
  if (readers.padded && shifts) return refuse("zeros are added to its result, which its bias would fill");
  for (const Node* linear : readers.linears) {
    const LinearWeights weights(*linear);
    if (weights.inputs() != size) return refuse(fmt::format("{} reads rows of another size", linear->describe()));
    if (shifts && !takes_bias(*linear, weights.outputs()))
      return refuse(fmt::format("the bias of {} is not one constant number per column", linear->describe()));
  }
  for (Node* linear : readers.linears) {
    const LinearWeights weights(*linear);
    Tensor scaled = weights.edited([&](int64_t i, int64_t, double w) { return gamma[static_cast<size_t>(i)] * w; });
    std::vector<double> shift = weights.weighted_sum(beta);
    graph.set_input(linear, 1, graph.add_constant(linear->input(1)->name + "_ln", std::move(scaled)));
    if (shifts) add_bias(graph, *linear, std::move(shift));
  }
  const std::vector<double> ones(static_cast<size_t>(size), 1.0);
  graph.set_input(&norm, 1, graph.add_constant("ones", rounded(ones, {size})));
  if (norm.inputs.size() > 2) graph.set_input(&norm, 2, nullptr);
  norm.inputs.resize(2);
  return true;
}

}  // namespace

int fold_layernorm(Graph& graph, PassContext& context) {
  return for_each_node(graph, [&](Node& node) { return fold(graph, node, context); });
}

}  // namespace tercel

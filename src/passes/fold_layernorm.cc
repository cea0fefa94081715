#include "passes/fold_layernorm.h"

#include <algorithm>

#include "base/error.h"
#include "passes/linear_bias.h"
#include "passes/linear_weights.h"
#include "passes/match.h"
#include "passes/norm_readers.h"

namespace tercel {
namespace {

bool all_equal(const std::vector<double>& values, double wanted) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == wanted; });
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

#include "passes/fold_constants.h"

#include <algorithm>

#include "graph/infer.h"
#include "passes/match.h"

namespace tercel::inline passes {
namespace {

// A result much larger than its operands (a constant spread out by Expand or ConstantOfShape) is left to run time.
constexpr size_t kAlwaysFold = size_t{16} << 20;

/// As far as shapes are known.
size_t result_bytes(const Node& node) {
  size_t bytes = 0;
  for (const Value* value : node.outputs)
    if (value != nullptr && value->type.static_shape())
      bytes += static_cast<size_t>(count_elements(value->type.dims)) * size_of(value->type.dtype);
  return bytes;
}

bool grows_too_much(const Node& node) {
  size_t in = 0;
  const size_t out = result_bytes(node);
  for (const Value* value : node.inputs)
    if (value != nullptr) in += value->constant.bytes();
  return out > kAlwaysFold && out > 2 * in;
}

// And so is what all results together make of a file's constants: a small file may hold a chain that doubles at every
// link. (Dequantized weights are four times as large, and transposed once more.)
constexpr size_t kAlwaysFoldAll = size_t{256} << 20, kMostGrowth = 16;

size_t budget_of(const Graph& graph) {
  size_t bytes = 0;
  for (const auto& value : graph.values())
    if (value->is_constant()) bytes += value->constant.bytes();
  return std::max(kAlwaysFoldAll, kMostGrowth * bytes);
}

bool all_constant(const Node& node) {
  for (const Value* value : node.inputs)
    if (value != nullptr && !value->is_constant()) return false;
  return true;
}

/// Results that follow from the operand's type alone.
Tensor from_type(const Node& node) {
  if (!node.is("Shape") && !node.is("Size")) return {};
  const ValueType& type = node.input(0)->type;
  if (!type.static_shape()) return {};
  if (node.is("Size")) return Tensor::scalar<int64_t>(count_elements(type.dims));
  // The rule has worked out start and end already: the result's extent says how many, `start` where from.
  const auto rank = static_cast<int64_t>(type.dims.size());
  int64_t start = node.attrs.get_int("start");
  if (start < 0) start += rank;
  start = std::clamp<int64_t>(start, 0, rank);
  const int64_t count = node.output()->type.dims.at(0);
  return Tensor::of<int64_t>({count}, {type.dims.begin() + start, type.dims.begin() + start + count});
}

bool is_dequantized(const Value* value) {
  const Node* node = made_by(value, "DequantizeLinear");
  return node != nullptr && node->input(0) != nullptr && !node->input(0)->is_constant();
}

/// Weights and biases that meet dequantized activations: their levels are what the engine computes with
/// (lower_quantized), and a quarter of the size.
bool belongs_to_levels(const Node& node) {
  if (!node.is("DequantizeLinear") || node.output() == nullptr || node.output()->users.empty()) return false;
  for (const Node* user : node.output()->users) {
    const bool product = user->is("Conv") || user->is("Gemm") || user->is("MatMul");
    const bool sum = user->is("Add") && is_dequantized(other_operand(*user, node.output()));
    if (!sum && !(product && is_dequantized(user->input(0)))) return false;
  }
  return true;
}

int fold(Graph& graph, PassContext& context, bool (*keep)(const Node&)) {
  size_t left = budget_of(graph);
  return for_each_node(graph, [&](Node& node) {
    infer_types(node);
    if (Tensor tensor = from_type(node)) {
      graph.make_constant(node.output(), std::move(tensor));
      return true;
    }
    if (keep(node) || !all_constant(node) || grows_too_much(node) || result_bytes(node) > left) return false;
    std::vector<Tensor> results = context.evaluate(node);
    if (results.empty()) return false;
    for (size_t i = 0; i < results.size(); ++i)
      if (Value* value = node.output(i)) {
        left -= std::min(left, results[i].bytes());
        graph.make_constant(value, std::move(results[i]));
      }
    return true;
  });
}

}  // namespace

int fold_constants(Graph& graph, PassContext& context) { return fold(graph, context, belongs_to_levels); }

int fold_dequantized(Graph& graph, PassContext& context) {
  return fold(graph, context, [](const Node&) { return false; });
}

}  // namespace tercel::inline passes

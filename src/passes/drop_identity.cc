#include "passes/drop_identity.h"

#include <algorithm>
#include <numeric>

#include "passes/match.h"

namespace tercel::inline passes {
namespace {

bool same_static_type(const Node& node) {
  const ValueType& in = node.input(0)->type;
  return in.static_shape() && in == node.output()->type;
}

bool is_identity_permutation(const std::vector<int64_t>& perm) {
  for (size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<int64_t>(i)) return false;
  return true;
}

bool all_zero(const Value* value) {
  if (value == nullptr || !value->is_constant()) return false;
  const auto values = value->constant.to_ints();
  return std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 0; });
}

bool changes_nothing(const Node& node) {
  if (node.is("Identity")) return true;
  if (node.is("Cast") || node.is("CastLike"))
    return node.input(0)->type.dtype != DType::none && node.input(0)->type.dtype == node.output()->type.dtype;
  if (node.is("Reshape") || node.is("Expand") || node.is("Flatten")) return same_static_type(node);
  if (node.is("Transpose")) return node.attrs.has("perm") && is_identity_permutation(node.attrs.get_ints("perm"));
  if (node.is("Pad")) return all_zero(node.input(1));
  if (node.is("Slice")) {
    // Same shape and steps forward: every element is its own.
    const Value* steps = node.input(4);
    if (!same_static_type(node)) return false;
    if (steps == nullptr) return true;
    if (!steps->is_constant()) return false;
    const auto values = steps->constant.to_ints();
    return std::all_of(values.begin(), values.end(), [](int64_t v) { return v > 0; });
  }
  if (node.is("Concat") || node.is("Sum") || node.is("Max") || node.is("Min") || node.is("Mean"))
    return node.inputs.size() == 1;
  return false;
}

// Transpose(Transpose(x, p), q) = Transpose(x, p[q]).
bool merge_transposes(Graph& graph, Node& node) {
  if (!node.is("Transpose") || !node.attrs.has("perm")) return false;
  const Node* first = made_by(node.input(0), "Transpose");
  if (first == nullptr || !first->attrs.has("perm")) return false;
  const auto &p = first->attrs.get_ints("perm"), &q = node.attrs.get_ints("perm");
  if (p.size() != q.size()) return false;
  std::vector<int64_t> both(q.size());
  for (size_t i = 0; i < q.size(); ++i) both[i] = p[static_cast<size_t>(q[i])];
  node.attrs.set("perm", both);
  graph.set_input(&node, 0, first->inputs[0]);
  return true;
}

}  // namespace

int drop_identity(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) {
    const bool merged = merge_transposes(graph, node);
    if (node.output() == nullptr || !changes_nothing(node)) return merged;
    Value* from = node.input(0);
    Value* to = node.output();
    // A graph output keeps its name, so it can only be dropped by giving that name to what it copies; inputs and
    // constants have names of their own to keep.
    if (graph.is_output(to)) {
      if (from->producer == nullptr || graph.is_output(from)) return merged;
      take_over(graph, to, from);
      return true;
    }
    if (to->users.empty()) return merged;
    graph.replace_uses(to, from);
    return true;
  });
}

}  // namespace tercel::inline passes

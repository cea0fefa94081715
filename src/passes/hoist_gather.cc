#include "passes/hoist_gather.h"

#include <algorithm>

#include "base/error.h"
#include "passes/match.h"
#include "passes/norm_readers.h"

namespace tercel::inline passes {
namespace {

/// Takes one index of an axis other than the last.
bool gathers_one(const Node& node, const Value* value) {
  if (node.input(0) != value || node.output() == nullptr || !node.output()->type.ranked) return false;
  const auto last = static_cast<int64_t>(value->type.dims.size()) - 1;
  const auto elsewhere = [&](int64_t axis) { return (axis < 0 ? axis + last + 1 : axis) != last; };
  const auto known = [&](size_t i) { return node.input(i) != nullptr && node.input(i)->is_constant(); };
  if (node.is("Gather"))
    return known(1) && node.input(1)->constant.elements() == 1 && elsewhere(node.attrs.get_int("axis"));
  if (!node.is("Slice") || !known(1) || !known(2) || !known(3)) return false;
  const auto axes = node.input(3)->constant.to_ints();
  const auto starts = node.input(1)->constant.to_ints();
  const auto ends = node.input(2)->constant.to_ints();
  return axes.size() == 1 && elsewhere(axes[0]) && ends[0] == starts[0] + 1 && ends[0] != 0;
}

bool hoist(Graph& graph, Node& norm) {
  if (!is_row_norm(norm)) return false;
  Value* result = norm.output();
  const std::vector<Node*> gathers = result->users;
  const bool all_gather = !gathers.empty() && std::all_of(gathers.begin(), gathers.end(),
                                                          [&](const Node* user) { return gathers_one(*user, result); });
  if (graph.is_output(result) || !all_gather) return false;
  for (Node* gather : gathers) {
    Value* gathered = gather->output();
    Value* normed = graph.add_value("picked", gathered->type);
    std::vector<Value*> operands = norm.inputs;
    operands[0] = gathered;
    Attrs attrs = norm.attrs;
    attrs.set("axis", int64_t{-1});
    const Node* behind = node_behind(graph, gathered);
    take_over(graph, gathered, normed);
    graph.add_node("LayerNormalization", std::move(operands), {normed}, std::move(attrs),
                   gathers.size() == 1 || norm.name.empty() ? norm.name : fmt::format("{}_{}", norm.name, normed->name),
                   behind);
    graph.set_input(gather, 0, norm.input(0));
  }
  return true;
}

}  // namespace

int hoist_gather(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) { return hoist(graph, node); });
}

}  // namespace tercel::inline passes

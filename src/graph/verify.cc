#include "graph/verify.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/check.h"
#include "graph/op.h"

namespace tercel::inline graph {
namespace {

bool contradicts(const ValueType& rule, const ValueType& declared) {
  if (rule.dtype != DType::none && rule.dtype != declared.dtype) return true;
  if (!rule.ranked || !declared.ranked) return false;
  if (rule.dims.size() != declared.dims.size()) return true;
  for (size_t i = 0; i < rule.dims.size(); ++i)
    if (rule.dims[i] != kUnknown && declared.dims[i] != kUnknown && rule.dims[i] != declared.dims[i]) return true;
  return false;
}

}  // namespace

void verify(const Graph& graph, std::string_view after) {
  std::unordered_set<const Value*> owned, made;
  std::unordered_set<std::string_view> names;
  for (const auto& value : graph.values()) {
    owned.insert(value.get());
    TERCEL_CHECK(names.insert(value->name).second, "after {}: two values are named '{}'", after, value->name);
    TERCEL_CHECK(graph.find_value(value->name) == value.get(), "after {}: '{}' is not in the index", after,
                 value->name);
    if (!value->is_constant()) continue;
    made.insert(value.get());
    TERCEL_CHECK(value->producer == nullptr, "after {}: constant '{}' has a producer", after, value->name);
    TERCEL_CHECK(value->type.dtype == value->constant.dtype() && value->type.dims == value->constant.dims(),
                 "after {}: constant '{}' does not have its declared type", after, value->name);
  }
  for (const Value* value : graph.inputs()) {
    TERCEL_CHECK(owned.contains(value) && value->producer == nullptr, "after {}: bad input", after);
    made.insert(value);
  }
  std::unordered_map<const Value*, std::vector<const Node*>> readers;
  for (const auto& node : graph.nodes()) {
    TERCEL_CHECK(node->spec != nullptr && node->spec == find_op(node->op), "after {}: {}", after, node->describe());
    for (const Value* value : node->inputs) {
      if (value == nullptr) continue;
      TERCEL_CHECK(owned.contains(value), "after {}: {} reads a value of another graph", after, node->describe());
      TERCEL_CHECK(made.contains(value), "after {}: {} reads '{}' before it is made", after, node->describe(),
                   value->name);
      readers[value].push_back(node.get());
    }
    for (const Value* value : node->outputs) {
      if (value == nullptr) continue;
      TERCEL_CHECK(owned.contains(value) && value->producer == node.get(), "after {}: {} does not own its result",
                   after, node->describe());
      TERCEL_CHECK(made.insert(value).second, "after {}: '{}' has two producers", after, value->name);
    }
    Attrs attrs = node->attrs;
    complete_attrs(*node->spec, attrs);
    TERCEL_CHECK(attrs == node->attrs, "after {}: attributes of {} are not complete", after, node->describe());
    InferContext context(*node);
    node->spec->infer(context);
    for (size_t i = 0; i < node->outputs.size(); ++i) {
      const Value* value = node->outputs[i];
      TERCEL_CHECK(value == nullptr || !contradicts(context.results()[i], value->type),
                   "after {}: '{}' is declared {} but {} makes {}", after, value->name, to_string(value->type),
                   node->describe(), to_string(context.results()[i]));
    }
  }
  for (const auto& value : graph.values()) {
    auto expected = readers[value.get()];
    std::vector<const Node*> actual(value->users.begin(), value->users.end());
    std::sort(expected.begin(), expected.end());
    std::sort(actual.begin(), actual.end());
    TERCEL_CHECK(expected == actual, "after {}: '{}' does not know its readers", after, value->name);
  }
  for (const Value* value : graph.outputs())
    TERCEL_CHECK(made.contains(value), "after {}: output '{}' has no producer", after, value->name);
}

}  // namespace tercel::inline graph

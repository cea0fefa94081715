#include "passes/norm_readers.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "passes/follow_axis.h"
#include "passes/linear_weights.h"

namespace tercel::inline passes {
namespace {

int64_t last_axis(const Value& value) { return static_cast<int64_t>(value.type.dims.size()) - 1; }

class Search {
 public:
  Search(const Graph& graph, std::initializer_list<std::string_view> ops) : graph_(graph), ops_(ops) {}

  LinearReaders from(const Value* start) {
    reach(start, last_axis(*start));
    for (size_t i = 0; i < order_.size() && found_.refusal.empty(); ++i) look_at(order_[i]);
    for (const Node* join : joins_)
      for (const Value* operand : join->inputs)
        if (found_.refusal.empty() && !axis_of_.contains(operand))
          found_.refusal = fmt::format("{} joins it with something else", join->describe());
    if (found_.refusal.empty() && found_.linears.empty()) found_.refusal = "no matrix product reads it";
    return std::move(found_);
  }

 private:
  void reach(const Value* value, int64_t axis) {
    const auto [at, fresh] = axis_of_.emplace(value, axis);
    if (fresh) order_.push_back(value);
    else if (at->second != axis && found_.refusal.empty())
      found_.refusal = fmt::format("'{}' has its channels along two axes", value->name);
  }

  void look_at(const Value* value) {
    if (graph_.is_output(value)) {
      found_.refusal = fmt::format("'{}' is a result of the network", value->name);
      return;
    }
    for (Node* user : value->users) {
      if (user->is("Shape") || user->is("Size")) continue;
      if (!takes(*user, value) && found_.refusal.empty())
        found_.refusal = fmt::format("{} reads it and is no matrix product with constant weights", user->describe());
    }
  }

  bool takes(Node& user, const Value* value) {
    const int64_t axis = axis_of_.at(value);
    if (std::find(ops_.begin(), ops_.end(), user.op) != ops_.end()) {
      const bool once = std::count(user.inputs.begin(), user.inputs.end(), value) == 1;
      if (!once || user.input(0) != value || axis != last_axis(*value) || axis < 1) return false;
      if (!LinearWeights::readable(user)) return false;
      found_.linears.push_back(&user);
      return true;
    }
    const auto at = std::find(user.inputs.begin(), user.inputs.end(), value) - user.inputs.begin();
    const auto next = follow_axis(user, static_cast<size_t>(at), axis);
    if (!next) return false;
    if (user.is("Concat")) joins_.push_back(&user);
    if (user.is("Pad")) found_.padded = true;
    for (const Value* result : user.outputs)
      if (result != nullptr) reach(result, *next);
    return true;
  }

  const Graph& graph_;
  std::vector<std::string_view> ops_;
  LinearReaders found_;
  std::map<const Value*, int64_t> axis_of_;
  std::vector<const Value*> order_;  // values reached, in the order in which they are looked at
  std::vector<const Node*> joins_;
};

}  // namespace

bool is_row_norm(const Node& node) {
  if (!node.is("LayerNormalization") || node.output() == nullptr || node.output(1) != nullptr ||
      node.output(2) != nullptr)
    return false;
  const ValueType& type = node.input(0)->type;
  if (type.dtype != DType::f32 || !type.ranked || type.dims.empty() || type.dims.back() < 1) return false;
  const int64_t axis = node.attrs.get_int("axis");
  return axis == -1 || axis == static_cast<int64_t>(type.dims.size()) - 1;
}

LinearReaders find_linear_readers(const Graph& graph, const Value* value, std::initializer_list<std::string_view> ops) {
  return Search(graph, ops).from(value);
}

const Node* node_behind(const Graph& graph, const Value* value) {
  const auto& nodes = graph.nodes();
  if (value->producer == nullptr) return nodes.empty() ? nullptr : nodes.front().get();
  const auto at = std::find_if(nodes.begin(), nodes.end(), [&](const auto& n) { return n.get() == value->producer; });
  return at == nodes.end() || at + 1 == nodes.end() ? nullptr : (at + 1)->get();
}

}  // namespace tercel::inline passes

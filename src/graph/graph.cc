#include "graph/graph.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "graph/op.h"

namespace tercel::inline graph {

std::string to_string(const ValueType& type) {
  std::string text(type.dtype == DType::none ? "?" : to_string(type.dtype));
  if (!type.ranked) text += "[...]";
  else text += "[" + (type.dims.empty() ? "" : to_string(type.dims)) + "]";
  return type.quantization == nullptr ? text : text + to_string(*type.quantization);
}

std::string Node::describe() const {
  if (!name.empty()) return fmt::format("node '{}' ({})", name, op);
  for (const Value* value : outputs)
    if (value != nullptr) return fmt::format("node of '{}' ({})", value->name, op);
  return fmt::format("a node ({})", op);
}

Value* Graph::find_value(std::string_view value_name) const {
  const auto at = by_name_.find(value_name);
  return at == by_name_.end() ? nullptr : at->second;
}

std::string Graph::free_name(std::string_view hint) const {
  std::string candidate(hint.empty() ? "v" : hint);
  if (!hint.empty() && find_value(candidate) == nullptr) return candidate;
  const std::string stem = candidate;
  do candidate = stem + "_" + std::to_string(next_suffix_++);
  while (find_value(candidate) != nullptr);
  return candidate;
}

Value* Graph::add_value(std::string_view hint, ValueType type) {
  auto value = std::make_unique<Value>();
  value->name = free_name(hint);
  value->type = std::move(type);
  by_name_.emplace(value->name, value.get());
  values_.push_back(std::move(value));
  return values_.back().get();
}

Value* Graph::add_input(std::string_view input_name, ValueType type) {
  Value* value = add_value(input_name, std::move(type));
  inputs_.push_back(value);
  return value;
}

Value* Graph::add_constant(std::string_view hint, Tensor tensor) {
  Value* value = add_value(hint, {tensor.dtype(), true, tensor.dims()});
  value->constant = std::move(tensor);
  return value;
}

bool Graph::is_output(const Value* value) const {
  return std::find(outputs_.begin(), outputs_.end(), value) != outputs_.end();
}

Node* Graph::add_node(std::string_view op, std::vector<Value*> inputs, std::vector<Value*> outputs, Attrs attrs,
                      std::string_view node_name, const Node* before) {
  auto node = std::make_unique<Node>();
  node->name = node_name;
  node->op = op;
  node->inputs = std::move(inputs);
  node->outputs = std::move(outputs);
  node->attrs = std::move(attrs);
  at_place([&] { return node->describe(); },
           [&] {
             node->spec = find_op(op);
             if (node->spec == nullptr) fail_unsupported("Tercel has no operator '{}'", op);
             const OpSpec& spec = *node->spec;
             const auto phrase = [](Arity arity) {
               return arity.most == kAnyNumber ? fmt::format("at least {}", arity.least)
                                               : fmt::format("{} to {}", arity.least, arity.most);
             };
             const int given = static_cast<int>(node->inputs.size());
             if (!spec.inputs.fits(given)) fail_input("has {} inputs, {} takes {}", given, op, phrase(spec.inputs));
             for (int i = 0; i < spec.inputs.least; ++i)
               if (node->inputs[static_cast<size_t>(i)] == nullptr)
                 fail_input("input {} is left out, but is not optional", i);
             const int made = static_cast<int>(node->outputs.size());
             if (!spec.outputs.fits(made)) fail_input("has {} outputs, {} makes {}", made, op, phrase(spec.outputs));
             complete_attrs(spec, node->attrs);
           });
  for (Value* value : node->inputs)
    if (value != nullptr) value->users.push_back(node.get());
  for (Value* value : node->outputs) {
    if (value == nullptr) continue;
    TERCEL_CHECK(value->producer == nullptr && !value->is_constant(), "'{}' has two producers", value->name);
    value->producer = node.get();
  }
  Node* raw = node.get();
  if (before == nullptr) {
    nodes_.push_back(std::move(node));
  } else {
    const auto at = std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& n) { return n.get() == before; });
    TERCEL_CHECK(at != nodes_.end());
    nodes_.insert(at, std::move(node));
  }
  return raw;
}

namespace {

void remove_one_use(Value* value, const Node* user) {
  const auto at = std::find(value->users.begin(), value->users.end(), user);
  TERCEL_CHECK(at != value->users.end(), "'{}' does not know its user", value->name);
  value->users.erase(at);
}

}  // namespace

void Graph::set_input(Node* node, size_t operand, Value* value) {
  if (operand >= node->inputs.size()) node->inputs.resize(operand + 1, nullptr);
  Value*& place = node->inputs[operand];
  if (place != nullptr) remove_one_use(place, node);
  place = value;
  if (value != nullptr) value->users.push_back(node);
}

void Graph::replace_uses(Value* from, Value* to) {
  TERCEL_CHECK(from != to);
  const std::vector<Node*> users = from->users;
  for (Node* user : users) std::replace(user->inputs.begin(), user->inputs.end(), from, to);
  to->users.insert(to->users.end(), users.begin(), users.end());
  from->users.clear();
  std::replace(outputs_.begin(), outputs_.end(), from, to);
}

void Graph::make_constant(Value* value, Tensor tensor) {
  if (Node* producer = value->producer) {
    for (Value*& result : producer->outputs)
      if (result == value) result = nullptr;
    value->producer = nullptr;
  }
  inputs_.erase(std::remove(inputs_.begin(), inputs_.end(), value), inputs_.end());
  value->type = {tensor.dtype(), true, tensor.dims()};
  value->constant = std::move(tensor);
}

void Graph::erase_node(Node* node) {
  for (Value* value : node->outputs) {
    if (value == nullptr) continue;
    TERCEL_CHECK(value->users.empty() && !is_output(value), "'{}' is still wanted", value->name);
    value->producer = nullptr;
  }
  for (Value* value : node->inputs)
    if (value != nullptr) remove_one_use(value, node);
  const auto at = std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& n) { return n.get() == node; });
  TERCEL_CHECK(at != nodes_.end());
  nodes_.erase(at);
}

void Graph::rename(Value* value, std::string_view hint) {
  by_name_.erase(value->name);
  value->name = free_name(hint);
  by_name_.emplace(value->name, value);
}

int Graph::drop_unused() {
  // One backward sweep is enough: in running order every reader comes after the node it reads from.
  const std::unordered_set<const Value*> wanted(outputs_.begin(), outputs_.end());
  const auto unused = [&](const Value* v) { return v == nullptr || (v->users.empty() && !wanted.contains(v)); };
  int removed = 0;
  for (size_t i = nodes_.size(); i-- > 0;) {
    Node* node = nodes_[i].get();
    if (!std::all_of(node->outputs.begin(), node->outputs.end(), unused)) continue;
    for (Value* value : node->outputs)
      if (value != nullptr) value->producer = nullptr;
    for (Value* value : node->inputs)
      if (value != nullptr) remove_one_use(value, node);
    nodes_[i].reset();
    ++removed;
  }
  std::erase(nodes_, nullptr);
  const std::unordered_set<const Value*> given(inputs_.begin(), inputs_.end());
  std::erase_if(values_, [&](const std::unique_ptr<Value>& v) {
    if (v->producer != nullptr || !unused(v.get()) || given.contains(v.get())) return false;
    by_name_.erase(v->name);
    return true;
  });
  return removed;
}

void Graph::sort() {
  std::unordered_map<const Node*, size_t> waiting;  // operands not made yet
  std::vector<size_t> ready;                        // kept as a heap, so that the given order wins among the ready
  std::unordered_map<const Node*, size_t> place;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    place[nodes_[i].get()] = i;
    size_t count = 0;
    for (const Value* value : nodes_[i]->inputs) count += value != nullptr && value->producer != nullptr;
    waiting[nodes_[i].get()] = count;
    if (count == 0) ready.push_back(i);
  }
  std::make_heap(ready.begin(), ready.end(), std::greater<>());
  std::vector<std::unique_ptr<Node>> sorted;
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end(), std::greater<>());
    Node* node = nodes_[ready.back()].get();
    sorted.push_back(std::move(nodes_[ready.back()]));
    ready.pop_back();
    for (const Value* value : node->outputs) {
      if (value == nullptr) continue;
      for (const Node* user : value->users) {
        if (--waiting[user] > 0) continue;
        ready.push_back(place[user]);
        std::push_heap(ready.begin(), ready.end(), std::greater<>());
      }
    }
  }
  if (sorted.size() != nodes_.size()) {
    std::string who;
    for (const auto& node : nodes_)
      if (node != nullptr && who.empty()) who = node->describe();
    // Put everything back before the error leaves, so that the graph can still be taken apart.
    for (auto& node : nodes_)
      if (node != nullptr) sorted.push_back(std::move(node));
    nodes_ = std::move(sorted);
    fail_input("{}: stands on a cycle", who);
  }
  nodes_ = std::move(sorted);
}

Graph Graph::clone() const {
  Graph copy;
  copy.name = name;
  copy.metadata = metadata;
  copy.next_suffix_ = next_suffix_;
  std::unordered_map<const Value*, Value*> twin{{nullptr, nullptr}};
  for (const auto& value : values_) {
    auto mine = std::make_unique<Value>();
    mine->name = value->name;
    mine->type = value->type;
    mine->constant = value->constant;
    mine->dim_names = value->dim_names;
    copy.by_name_.emplace(mine->name, mine.get());
    twin[value.get()] = mine.get();
    copy.values_.push_back(std::move(mine));
  }
  for (const Value* value : inputs_) copy.inputs_.push_back(twin[value]);
  for (const Value* value : outputs_) copy.outputs_.push_back(twin[value]);
  for (const auto& node : nodes_) {
    auto mine = std::make_unique<Node>();
    mine->name = node->name;
    mine->op = node->op;
    mine->spec = node->spec;
    mine->attrs = node->attrs;
    for (const Value* value : node->inputs) {
      mine->inputs.push_back(twin[value]);
      if (value != nullptr) twin[value]->users.push_back(mine.get());
    }
    for (const Value* value : node->outputs) {
      mine->outputs.push_back(twin[value]);
      if (value != nullptr) twin[value]->producer = mine.get();
    }
    copy.nodes_.push_back(std::move(mine));
  }
  return copy;
}

}  // namespace tercel::inline graph

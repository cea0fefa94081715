#include "quant/level_choice.h"

#include <algorithm>

#include "graph/infer.h"
#include "passes/global_mean.h"
#include "passes/match.h"
#include "passes/node_activation.h"

namespace tercel::inline quant {
namespace {

bool is_f32(const Value* value) { return value != nullptr && value->type.dtype == DType::f32; }
bool is_activation(const Value* value) { return is_f32(value) && !value->is_constant(); }

bool is_clamp(const Node& node) {
  const Activation kind = activation_of(node).kind;
  return kind == Activation::relu || kind == Activation::clip;
}

/// Gives elements of operand 0, or zeros.
bool moves(const Node& node) {
  if (node.outputs.size() != 1) return false;
  if (node.is("Pad"))
    return node.attrs.get_string("mode") == "constant" &&
           (node.input(2) == nullptr || is_scalar_constant(node.input(2), 0));
  return moves_elements(node) && !node.is("Concat");
}

/// Operators other than products that know levels.
bool knows_levels(const Node& node) {
  return node.is("Add") || node.is("Concat") || node.is("AveragePool") || node.is("LRN") || is_global_mean(node) ||
         is_clamp(node) || moves(node);
}

/// Means over a picture, moved at most.
bool gives_means(const Value& value) {
  const Node* node = value.producer;
  while (node != nullptr && moves(*node) && node->input(0) != nullptr) node = node->input(0)->producer;
  return node != nullptr && is_global_mean(*node);
}

/// The values that it computes with; others say how.
std::vector<Value*> operands(const Node& node) {
  if (node.is("Add") || node.is("Concat")) return node.inputs;
  return {node.input(0)};
}

class Choosing {
 public:
  Choosing(Graph& graph, const std::set<std::string>& keep) : graph_(graph), keep_(keep) {}

  LevelChoice run() {
    find_products();
    find_candidates();
    keep_wanted();
    list_values();
    return std::move(choice_);
  }

 private:
  bool kept(const Node& node) const {
    return keep_.contains(node.name) || (node.output() != nullptr && keep_.contains(node.output()->name));
  }

  std::optional<LevelProduct> product_of(Node& node) const {
    const Value* weights = node.input(1);
    if (!is_activation(node.input(0)) || !is_f32(weights) || !weights->is_constant()) return std::nullopt;
    const Dims& dims = weights->constant.dims();
    if (weights->constant.elements() == 0) return std::nullopt;
    LevelProduct p{&node, node.output()};
    if (node.is("Conv") && dims.size() >= 3) {
      p.channel_axis_from_end = dims.size() - 2;
      p.bias = node.input(2);
    } else if (node.is("Gemm") && dims.size() == 2) {
      if (node.attrs.get_bool("transA") || !(node.attrs.get_float("alpha") > 0)) return std::nullopt;
      p.weight_axis = node.attrs.get_bool("transB") ? 0 : 1;
      p.bias = node.input(2);
    } else if (node.is("MatMul") && dims.size() == 2 && node.input(0)->type.ranked &&
               node.input(0)->type.dims.size() >= 2) {
      p.weight_axis = 1;
      if (Node* add = sole_user(graph_, node.output()); add != nullptr && add->is("Add") && !kept(*add)) {
        Value* bias = other_operand(*add, node.output());
        if (is_f32(bias) && bias->is_constant() && bias->constant.rank() == 1 &&
            bias->constant.elements() == dims[p.weight_axis]) {
          p.bias = bias;
          p.bias_add = add;
          p.sums = add->output();
        }
      }
    } else {
      return std::nullopt;
    }
    p.channels = dims[p.weight_axis];
    if (p.bias != nullptr) {
      if (!is_f32(p.bias) || !p.bias->is_constant()) return std::nullopt;
      const Tensor& bias = p.bias->constant;
      const bool per_channel =
          bias.elements() == p.channels && (bias.rank() == 0 || bias.dims().back() == p.channels || p.channels == 1);
      if (!per_channel && bias.elements() != 1) return std::nullopt;
    }
    return p;
  }

  /// The value behind the activation that a narrower range stands for.
  Value* behind_clamp(Value* value) {
    Node* user = sole_user(graph_, value);
    if (user == nullptr || !is_clamp(*user) || kept(*user)) return value;
    choice_.nodes.insert(user);
    return user->output();
  }

  void find_products() {
    for (const auto& node : graph_.nodes()) {
      if (kept(*node)) continue;
      auto p = product_of(*node);
      if (!p) continue;
      choice_.nodes.insert(node.get());
      if (p->bias_add != nullptr) choice_.nodes.insert(p->bias_add);
      // MatMul is what transformers have: what it gives to their stream of sums has outliers, and stays in floats.
      (node->is("MatMul") ? candidates_ : made_)[behind_clamp(p->sums)] = node.get();
      read_.insert(node->input(0));
      choice_.products.push_back(*p);
    }
  }

  /// In running order: nodes whose operands could be levels.
  void find_candidates() {
    for (const auto& node : graph_.nodes()) {
      if (choice_.nodes.contains(node.get()) || kept(*node) || !knows_levels(*node)) continue;
      if (node->outputs.size() != 1 || !is_f32(node->output())) continue;
      const std::vector<Value*> from = operands(*node);
      if (!std::all_of(from.begin(), from.end(), [&](Value* v) {
            return is_activation(v) && (made_.contains(v) || read_.contains(v) || candidates_.contains(v));
          }))
        continue;
      Value* result = node->output();
      if (node->is("Add")) {
        Node* user = sole_user(graph_, result);
        if (user != nullptr && is_clamp(*user) && !kept(*user)) {
          clamps_[node.get()] = user;
          passed_.insert(user);
          result = user->output();
        }
      } else if (passed_.contains(node.get())) {
        continue;
      }
      candidates_[result] = node.get();
    }
  }

  /// Backwards: those whose result somebody wants.
  void keep_wanted() {
    std::set<const Value*> wanted(read_.begin(), read_.end());
    std::vector<std::pair<Value*, Node*>> order;
    for (const auto& node : graph_.nodes())
      for (Value* v : node->outputs)
        if (const auto at = v == nullptr ? candidates_.end() : candidates_.find(v); at != candidates_.end())
          order.emplace_back(v, at->second);
    for (auto at = order.rbegin(); at != order.rend(); ++at) {
      const auto [value, node] = *at;
      // A mean has many more values than levels can tell: as an answer it stays as it is.
      if (!wanted.contains(value) && !(graph_.is_output(value) && !gives_means(*value))) continue;
      made_[value] = node;
      choice_.nodes.insert(node);
      if (const auto clamp = clamps_.find(node); clamp != clamps_.end()) choice_.nodes.insert(clamp->second);
      for (Value* v : operands(*node)) wanted.insert(v);
    }
  }

  void list_values() {
    std::vector<Value*> order(graph_.inputs());
    for (const auto& node : graph_.nodes())
      for (Value* v : node->outputs)
        if (v != nullptr) order.push_back(v);
    for (Value* value : order) {
      const auto by = made_.find(value);
      if (by == made_.end() && !read_.contains(value)) continue;
      Node* node = by == made_.end() ? nullptr : by->second;
      choice_.values.push_back({value, like(value, node), node});
    }
    // A value whose only reader is a Concat on levels has the scale of what it becomes a part of: nothing is rounded
    // twice.
    std::map<Value*, Value*> joined;
    for (const LevelValue& v : choice_.values)
      if (v.by != nullptr && v.by->is("Concat"))
        for (Value* part : v.by->inputs)
          if (const LevelValue* own = choice_.find(part);
              own != nullptr && own->like == part && own->by != nullptr && sole_user(graph_, part) == v.by)
            joined[part] = v.value;
    for (LevelValue& v : choice_.values)
      for (auto at = joined.find(v.like); at != joined.end(); at = joined.find(v.like)) v.like = at->second;
  }

  Value* like(Value* value, const Node* by) const {
    if (by == nullptr || !moves(*by)) return value;
    const LevelValue* from = choice_.find(by->input(0));
    return from == nullptr ? value : from->like;
  }

  Graph& graph_;
  const std::set<std::string>& keep_;
  LevelChoice choice_;
  std::map<Value*, Node*> made_;  // values on levels, by the node that computes them
  std::set<Value*> read_;         // by products
  std::map<Value*, Node*> candidates_;
  std::map<Node*, Node*> clamps_;  // the activation behind a sum
  std::set<Node*> passed_;         // such activations
};

}  // namespace

const LevelValue* LevelChoice::find(const Value* value) const {
  for (const LevelValue& v : values)
    if (v.value == value) return &v;
  return nullptr;
}

LevelChoice choose_levels(Graph& graph, const std::set<std::string>& keep) { return Choosing(graph, keep).run(); }

}  // namespace tercel::inline quant

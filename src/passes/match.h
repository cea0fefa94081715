// Pattern matching on graphs.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace tercel::inline passes {

/// The producer of `value` if it is an `op`, else nullptr.
inline Node* made_by(const Value* value, std::string_view op) {
  return value != nullptr && value->producer != nullptr && value->producer->is(op) ? value->producer : nullptr;
}

/// The only reader of `value`, reading it once, if `value` is no graph output; else nullptr.
inline Node* sole_user(const Graph& graph, const Value* value) {
  return value != nullptr && value->users.size() == 1 && !graph.is_output(value) ? value->users[0] : nullptr;
}

/// The element of a constant that holds exactly one.
inline std::optional<double> scalar_constant(const Value* value) {
  if (value == nullptr || !value->is_constant() || value->constant.elements() != 1) return std::nullopt;
  return value->constant.to_doubles()[0];
}

inline bool is_scalar_constant(const Value* value, double wanted, double tolerance = 0) {
  const auto got = scalar_constant(value);
  return got && *got >= wanted - tolerance && *got <= wanted + tolerance;
}

/// Do both have as many axes? Constants of one element may have more than what they meet, and then give it theirs.
inline bool same_rank(const Value* a, const Value* b) {
  return a->type.ranked && b->type.ranked && a->type.dims.size() == b->type.dims.size();
}

/// For a node with two operands: the one that is not `value`.
inline Value* other_operand(const Node& node, const Value* value) {
  return node.input(0) == value ? node.input(1) : node.input(0);
}

/// For a node with two operands: its scalar constant operand and the other one. Nothing where there is none.
struct ScalarAndRest {
  double scalar;
  Value* rest;
};
inline std::optional<ScalarAndRest> split_scalar(const Node* node) {
  if (node == nullptr || node->inputs.size() != 2) return std::nullopt;
  for (size_t i : {size_t{1}, size_t{0}})
    if (const auto scalar = scalar_constant(node->input(i))) return ScalarAndRest{*scalar, node->input(1 - i)};
  return std::nullopt;
}

/// A product of several factors and one number, as a tree of Mul and of Div by a constant writes it.
struct ProductOfFactors {
  double scalar = 1;
  std::vector<Value*> factors;
};

/// The product that `root` computes. Inner products are included where nothing else reads them.
inline void collect_product(const Graph& graph, const Node& root, ProductOfFactors& product, int depth = 4) {
  const auto add = [&](Value* value) {
    if (const auto scalar = scalar_constant(value)) {
      product.scalar *= *scalar;
      return;
    }
    const Node* inner = made_by(value, "Mul") != nullptr ? made_by(value, "Mul") : made_by(value, "Div");
    const bool join = inner != nullptr && depth > 0 && sole_user(graph, value) == &root &&
                      (inner->is("Mul") || scalar_constant(inner->input(1)));
    if (join) collect_product(graph, *inner, product, depth - 1);
    else product.factors.push_back(value);
  };
  add(root.input(0));
  if (root.is("Mul")) add(root.input(1));
  else if (const auto divisor = scalar_constant(root.input(1))) product.scalar /= *divisor;
}

inline bool is_product(const Node& node) {
  return node.is("Mul") || (node.is("Div") && scalar_constant(node.input(1)));
}

inline bool is_f32_constant(const Value* value) {
  return value != nullptr && value->is_constant() && value->type.dtype == DType::f32;
}

/// `with` replaces `value` at every use and takes its name: outputs are known by name.
inline void take_over(Graph& graph, Value* value, Value* with) {
  const std::string name = value->name;
  graph.replace_uses(value, with);
  graph.rename(value, name + ".replaced");
  graph.rename(with, name);
}

/// A pass that looks at each node in turn. `rewrite` may add nodes and turn uses away from the node given; it must not
/// erase nodes (what falls out of use is dropped after the pass).
template <typename Rewrite>
int for_each_node(Graph& graph, Rewrite&& rewrite) {
  std::vector<Node*> nodes;
  for (const auto& node : graph.nodes()) nodes.push_back(node.get());
  int changes = 0;
  for (Node* node : nodes) changes += rewrite(*node) ? 1 : 0;
  return changes;
}

}  // namespace tercel::inline passes

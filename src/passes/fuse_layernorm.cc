#include "passes/fuse_layernorm.h"

#include "base/error.h"
#include "passes/match.h"

namespace tercel::inline passes {
namespace {

/// Does this ReduceMean run over the last axis and keep it?
bool over_last_axis(const Node& mean) {
  if (!mean.attrs.get_bool("keepdims") || mean.input(1) == nullptr || !mean.input(1)->is_constant()) return false;
  const auto axes = mean.input(1)->constant.to_ints();
  if (axes.size() != 1) return false;
  const ValueType& type = mean.input(0)->type;
  return axes[0] == -1 || (type.ranked && axes[0] == static_cast<int64_t>(type.dims.size()) - 1);
}

/// The value whose square this is: Pow(v, 2) or Mul(v, v).
Value* square_root_of(const Value* value) {
  if (const Node* power = made_by(value, "Pow"))
    return is_scalar_constant(power->input(1), 2) ? power->input(0) : nullptr;
  if (const Node* product = made_by(value, "Mul"))
    return product->input(0) == product->input(1) ? product->input(0) : nullptr;
  return nullptr;
}

struct Variance {
  Value* of;  // d, of which the mean square is taken
  float epsilon;
};

/// Sqrt(ReduceMean(d^2) + eps).
std::optional<Variance> deviation(const Value* value) {
  const Node* root = made_by(value, "Sqrt");
  if (root == nullptr) return std::nullopt;
  const Node* sum = made_by(root->input(0), "Add");
  const auto parts = split_scalar(sum);
  if (!parts) return std::nullopt;
  const Node* mean = made_by(parts->rest, "ReduceMean");
  if (mean == nullptr || !over_last_axis(*mean)) return std::nullopt;
  Value* d = square_root_of(mean->input(0));
  if (d == nullptr) return std::nullopt;
  return Variance{d, static_cast<float>(parts->scalar)};
}

/// d = x - ReduceMean(x): returns x.
Value* centred_from(const Value* d) {
  const Node* difference = made_by(d, "Sub");
  if (difference == nullptr) return nullptr;
  const Node* mean = made_by(difference->input(1), "ReduceMean");
  if (mean == nullptr || !over_last_axis(*mean) || mean->input(0) != difference->input(0)) return nullptr;
  return difference->input(0);
}

bool is_vector_of(const Value* value, int64_t length) {
  return is_f32_constant(value) && value->type.dims == Dims{length};
}

/// The constant vector that the sole reader of `value` combines with it by `op`, and that reader.
std::pair<Value*, Node*> vector_after(const Graph& graph, Value* value, std::string_view op, int64_t length) {
  Node* user = sole_user(graph, value);
  if (user == nullptr || !user->is(op)) return {nullptr, nullptr};
  Value* vector = other_operand(*user, value);
  return is_vector_of(vector, length) ? std::pair{vector, user} : std::pair<Value*, Node*>{nullptr, nullptr};
}

bool fuse(Graph& graph, Node& node) {
  // The quotient d / sigma.
  Value* d = nullptr;
  std::optional<Variance> variance;
  if (node.is("Div")) {
    d = node.input(0);
    variance = deviation(node.input(1));
  } else if (node.is("Mul")) {
    for (size_t i : {size_t{0}, size_t{1}}) {
      const Node* inverse = made_by(node.input(i), "Reciprocal");
      if (inverse == nullptr) continue;
      d = node.input(1 - i);
      variance = deviation(inverse->input(0));
    }
  }
  // Some exporters compute x - mean twice: once for the quotient, once for the square.
  if (!variance) return false;
  Value* x = centred_from(d);
  if (x == nullptr || centred_from(variance->of) != x || !same_rank(x, node.output())) return false;
  if (x->type.dtype != DType::f32 || x->type.dims.empty() || x->type.dims.back() <= 0) return false;
  const int64_t length = x->type.dims.back();

  Value* result = node.output();
  Node* last = &node;
  Value* gamma = nullptr;
  Value* beta = nullptr;
  if (auto [vector, user] = vector_after(graph, result, "Mul", length); vector != nullptr) {
    gamma = vector;
    last = user;
    result = user->output();
    if (auto [shift, adder] = vector_after(graph, result, "Add", length); shift != nullptr) {
      beta = shift;
      last = adder;
      result = adder->output();
    }
  }
  if (gamma == nullptr)
    gamma =
        graph.add_constant("ones", Tensor::of<float>({length}, std::vector<float>(static_cast<size_t>(length), 1.0f)));
  Value* fused = graph.add_value(result->name + "_layernorm", result->type);
  std::vector<Value*> operands{x, gamma};
  if (beta != nullptr) operands.push_back(beta);
  graph.add_node("LayerNormalization", std::move(operands), {fused},
                 {{"axis", int64_t{-1}}, {"epsilon", variance->epsilon}}, last->name, last);
  take_over(graph, result, fused);
  return true;
}

}  // namespace

int fuse_layernorm(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) { return fuse(graph, node); });
}

}  // namespace tercel::inline passes

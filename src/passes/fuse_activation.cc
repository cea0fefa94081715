#include "passes/fuse_activation.h"

#include <cmath>
#include <limits>

#include "passes/match.h"
#include "tensor/activation.h"

namespace tercel::inline passes {
namespace {

struct Fused {
  Activation kind = Activation::none;
  float alpha = 0, beta = 0;
};

/// The activation that this node is, none where it is no activation or its parameters are not constant.
Fused activation_of(const Node& node) {
  const auto alpha = [&] { return node.attrs.get_float("alpha"); };
  if (node.is("Relu")) return {Activation::relu};
  if (node.is("Sigmoid")) return {Activation::sigmoid};
  if (node.is("Tanh")) return {Activation::tanh};
  if (node.is("HardSwish")) return {Activation::hard_swish};
  if (node.is("Silu")) return {Activation::silu};
  if (node.is("Softplus")) return {Activation::softplus};
  if (node.is("Mish")) return {Activation::mish};
  if (node.is("LeakyRelu")) return {Activation::leaky_relu, alpha()};
  if (node.is("Elu")) return {Activation::elu, alpha()};
  if (node.is("HardSigmoid")) return {Activation::hard_sigmoid, alpha(), node.attrs.get_float("beta")};
  if (node.is("Gelu"))
    return {node.attrs.get_string("approximate") == "tanh" ? Activation::gelu_tanh : Activation::gelu};
  if (node.is("Clip")) {
    Fused clip{Activation::clip, -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::infinity()};
    for (size_t i : {size_t{1}, size_t{2}}) {
      if (node.input(i) == nullptr) continue;
      const auto bound = scalar_constant(node.input(i));
      if (!bound || std::isnan(*bound)) return {};  // kernels differ in what they make of NaN as a bound
      (i == 1 ? clip.alpha : clip.beta) = static_cast<float>(*bound);
    }
    return clip;
  }
  return {};
}

bool fuse(Graph& graph, Node& node) {
  if (node.output() == nullptr || node.output()->type.dtype != DType::f32) return false;
  const Fused fused = activation_of(node);
  if (fused.kind == Activation::none) return false;
  Value* inner = node.input(0);
  Node* producer = inner->producer;
  if (producer == nullptr || sole_user(graph, inner) != &node) return false;
  const bool linear = producer->is("FusedConv") || producer->is("FusedMatMul");
  if (!linear && !producer->is("Add")) return false;
  if (linear && producer->attrs.get_string("activation") != "none") return false;
  Attrs attrs = producer->attrs;
  attrs.set("activation", std::string(to_string(fused.kind)));
  attrs.set("alpha", fused.alpha);
  attrs.set("beta", fused.beta);
  Value* result = graph.add_value("activation", node.output()->type);
  graph.add_node(linear ? producer->op : "FusedAdd", producer->inputs, {result}, std::move(attrs), producer->name,
                 &node);
  take_over(graph, node.output(), result);
  return true;
}

}  // namespace

int fuse_activation(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) { return fuse(graph, node); });
}

}  // namespace tercel::inline passes

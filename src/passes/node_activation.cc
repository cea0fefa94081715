#include "passes/node_activation.h"

#include <cmath>
#include <limits>

#include "passes/match.h"

namespace tercel::inline passes {

NodeActivation activation_of(const Node& node) {
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
    NodeActivation clip{Activation::clip, -std::numeric_limits<float>::infinity(),
                        std::numeric_limits<float>::infinity()};
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

void set_activation(Attrs& attrs, const NodeActivation& activation) {
  attrs.set("activation", std::string(to_string(activation.kind)));
  attrs.set("alpha", activation.alpha);
  attrs.set("beta", activation.beta);
}

}  // namespace tercel::inline passes

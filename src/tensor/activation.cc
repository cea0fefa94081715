#include "tensor/activation.h"

#include <array>
#include <string>

#include "base/error.h"

namespace tercel::inline tensor {
namespace {

using enum Activation;
constexpr std::array kAll = {none, relu, clip,      leaky_relu, hard_sigmoid, hard_swish, sigmoid, Activation::tanh,
                             silu, gelu, gelu_tanh, elu,        softplus,     mish};

}  // namespace

std::string_view to_string(Activation activation) {
  switch (activation) {
    case none: return "none";
    case relu: return "Relu";
    case clip: return "Clip";
    case leaky_relu: return "LeakyRelu";
    case hard_sigmoid: return "HardSigmoid";
    case hard_swish: return "HardSwish";
    case sigmoid: return "Sigmoid";
    case Activation::tanh: return "Tanh";
    case silu: return "Silu";
    case gelu: return "Gelu";
    case gelu_tanh: return "GeluTanh";
    case elu: return "Elu";
    case softplus: return "Softplus";
    case mish: return "Mish";
  }
  return "?";
}

Activation parse_activation(std::string_view name) {
  std::string names;
  for (Activation activation : kAll) {
    if (to_string(activation) == name) return activation;
    names += names.empty() ? "" : ", ";
    names += to_string(activation);
  }
  fail_input("activation '{}', wanted one of {}", name, names);
}

std::span<const Activation> all_activations() { return kAll; }

}  // namespace tercel::inline tensor

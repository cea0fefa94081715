// The activations that fused operators end with, by name. Shape rules check the name, kernels apply it
// (kernels/activation.h).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tercel::inline tensor {

enum class Activation : uint8_t {
  none,
  relu,
  clip,          ///< to [alpha, beta]
  leaky_relu,    ///< alpha x below 0
  hard_sigmoid,  ///< alpha x + beta, clipped to [0, 1]
  hard_swish,    ///< x times hard_sigmoid with 1/6 and 1/2
  sigmoid,
  tanh,
  silu,       ///< x sigmoid(x)
  gelu,       ///< x times the normal distribution function, by erf
  gelu_tanh,  ///< the same by its tanh approximation
  elu,        ///< alpha (exp(x) - 1) below 0
  softplus,   ///< log(1 + exp(x))
  mish,       ///< x tanh(softplus(x))
};

/// "none", and ONNX names for the rest: "Relu", "Clip", "LeakyRelu", ... ("GeluTanh" for the approximation).
std::string_view to_string(Activation activation);

/// Throws Error that lists the names.
Activation parse_activation(std::string_view name);

std::span<const Activation> all_activations();

}  // namespace tercel::inline tensor

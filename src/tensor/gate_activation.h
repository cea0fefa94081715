// Activations of the gates of RNN, GRU and LSTM, as their attributes name them.
#pragma once

#include <vector>

#include "tensor/attrs.h"

namespace tercel::inline tensor {

struct GateActivation {
  enum class Kind : uint8_t {
    relu,
    tanh,
    sigmoid,
    affine,            ///< alpha x + beta
    leaky_relu,        ///< alpha x below 0
    thresholded_relu,  ///< 0 below alpha
    scaled_tanh,       ///< alpha tanh(beta x)
    hard_sigmoid,      ///< alpha x + beta, clipped to [0, 1]
    elu,               ///< alpha (exp(x) - 1) below 0
    softsign,          ///< x / (1 + |x|)
    softplus,          ///< log(1 + exp(x))
  };
  Kind kind;
  double alpha;
  double beta;

  double operator()(double x) const;
};

/// `count` activations from the attributes activations (those of `defaults`, repeated, where it is left out),
/// activation_alpha and activation_beta, whose entries go in order to the activations that have such a parameter.
/// Names in any letter case. Throws Error for a wrong number or an unknown name.
std::vector<GateActivation> gate_activations(const Attrs& attrs, size_t count,
                                             std::initializer_list<std::string_view> defaults);

}  // namespace tercel::inline tensor

// Activations as functions of one number: the definition for all kernels that fuse one.
#pragma once

#include "tensor/activation.h"
#include "tensor/attrs.h"

namespace tercel::inline kernels {

/// alpha and beta mean what the activation says of them (tensor/activation.h); others ignore them.
float apply_activation(Activation activation, float x, float alpha, float beta);

/// An activation with its parameters, as fused operators carry it in the attributes activation, alpha, beta.
struct ActivationOf {
  Activation kind = Activation::none;
  float alpha = 0;
  float beta = 0;

  ActivationOf() = default;
  explicit ActivationOf(const Attrs& attrs)
      : kind(parse_activation(attrs.get_string("activation"))),
        alpha(attrs.get_float("alpha")),
        beta(attrs.get_float("beta")) {}
  float operator()(float x) const { return apply_activation(kind, x, alpha, beta); }
};

}  // namespace tercel::inline kernels

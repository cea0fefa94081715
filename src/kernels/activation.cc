#include "kernels/activation.h"

#include <algorithm>
#include <cmath>

namespace tercel::inline kernels {
namespace {

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

/// log(1 + exp(x)) without overflow.
float softplus(float x) { return std::max(x, 0.0f) + std::log1p(std::exp(-std::fabs(x))); }

/// max(low, min(x, high)): where low > high the answer is high, as ONNX says of Clip; a NaN stays NaN.
float clip(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

}  // namespace

float apply_activation(Activation activation, float x, float alpha, float beta) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return x < 0 ? 0 : x;
    case Activation::clip: return clip(x, alpha, beta);
    case Activation::leaky_relu: return x < 0 ? alpha * x : x;
    case Activation::hard_sigmoid: return clip(alpha * x + beta, 0, 1);
    case Activation::hard_swish: return x * clip(x / 6 + 0.5f, 0, 1);
    case Activation::sigmoid: return sigmoid(x);
    case Activation::tanh: return std::tanh(x);
    case Activation::silu: return x * sigmoid(x);
    case Activation::gelu: return 0.5f * x * (1 + std::erf(x * 0.70710678f));  // 1 / sqrt(2)
    case Activation::gelu_tanh:
      return 0.5f * x * (1 + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));  // sqrt(2 / pi)
    case Activation::elu: return x < 0 ? alpha * std::expm1(x) : x;
    case Activation::softplus: return softplus(x);
    case Activation::mish: return x * std::tanh(softplus(x));
  }
  return x;
}

}  // namespace tercel::inline kernels

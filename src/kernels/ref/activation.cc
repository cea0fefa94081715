// Activation functions, as the ONNX operators of the same names define them.
#include <cmath>

#include "kernels/ref/elementwise.h"

namespace tercel::inline kernels {
namespace {

/// log(1 + e^x) without overflow: the larger of x and 0 is taken out of the exponential.
template <Real T>
T softplus(T x) {
  return (x > 0 ? x : T{0}) + std::log1p(std::exp(-std::abs(x)));
}

template <Real T>
T clamp_unit(T x) {
  return x < 0 ? T{0} : x > 1 ? T{1} : x;
}

void prelu(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  map_binary(src[0], src[1], dst[0], [](Number auto x, Number auto slope) {
    using T = decltype(x);
    if constexpr (Whole<T>) return x < 0 ? wrap_mul(x, slope) : x;
    else return x < 0 ? x * slope : x;
  });
}

/// 0.5 x (1 + erf(x / sqrt 2)), or its approximation by tanh (Hendrycks and Gimpel 2016).
void gelu(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (attrs.get_string("approximate") == "tanh") {
    map_unary(src[0], dst[0], [](Real auto x) {
      using T = decltype(x);
      return T(0.5) * x * (1 + std::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x)));  // sqrt(2 / pi)
    });
  } else {
    map_unary(src[0], dst[0], [](Real auto x) {
      using T = decltype(x);
      return T(0.5) * x * (1 + std::erf(x * T(0.7071067811865476)));
    });
  }
}

}  // namespace

std::vector<RefEntry> activation_refs() {
  return {
      {"Gelu", gelu},
      {"PRelu", prelu},
      unary_ref("HardSwish", [](Real auto x) { return x * clamp_unit(x / 6 + decltype(x)(0.5)); }),
      unary_ref("Mish", [](Real auto x) { return x * std::tanh(softplus(x)); }),
      unary_ref("Relu", [](Number auto x) { return x < 0 ? decltype(x)(0) : x; }),
      unary_ref("Sigmoid", [](Real auto x) { return 1 / (1 + std::exp(-x)); }),
      unary_ref("Softplus", [](Real auto x) { return softplus(x); }),
      unary_ref("Softsign", [](Real auto x) { return x / (1 + std::abs(x)); }),
      unary_ref_with("Celu",
                     [](const Attrs& attrs) {
                       return [alpha = attrs.get_float("alpha")](Real auto x) {
                         const decltype(x) a = alpha;
                         return x > 0 ? x : a * std::expm1(x / a);
                       };
                     }),
      unary_ref_with("Elu",
                     [](const Attrs& attrs) {
                       return [alpha = attrs.get_float("alpha")](Real auto x) {
                         return x < 0 ? alpha * std::expm1(x) : x;
                       };
                     }),
      unary_ref_with("HardSigmoid",
                     [](const Attrs& attrs) {
                       return [alpha = attrs.get_float("alpha"), beta = attrs.get_float("beta")](Real auto x) {
                         return clamp_unit(alpha * x + beta);
                       };
                     }),
      unary_ref_with("LeakyRelu",
                     [](const Attrs& attrs) {
                       return [alpha = attrs.get_float("alpha")](Real auto x) { return x < 0 ? alpha * x : x; };
                     }),
      unary_ref_with("Selu",
                     [](const Attrs& attrs) {
                       return [alpha = attrs.get_float("alpha"), gamma = attrs.get_float("gamma")](Real auto x) {
                         return gamma * (x > 0 ? x : alpha * std::expm1(x));
                       };
                     }),
      unary_ref_with("Shrink",
                     [](const Attrs& attrs) {
                       // Whole numbers go through long double, whose 64 bits hold every int64 and uint64.
                       return [bias = attrs.get_float("bias"), lambd = attrs.get_float("lambd")](Number auto x) {
                         using T = decltype(x);
                         using W = std::conditional_t<Real<T>, T, long double>;
                         const W wide = static_cast<W>(x);
                         const W shrunk = wide < -lambd ? wide + bias : wide > lambd ? wide - bias : W{0};
                         return convert<T>(wide != wide ? wide : shrunk);
                       };
                     }),
      unary_ref_with("ThresholdedRelu",
                     [](const Attrs& attrs) {
                       return [alpha = attrs.get_float("alpha")](Real auto x) {
                         return x <= alpha ? decltype(x)(0) : x;  // NaN stays NaN
                       };
                     }),
  };
}

}  // namespace tercel::inline kernels

// Functions of one number: rounding, signs, powers, circular and hyperbolic functions.
#include <cmath>

#include "kernels/ref/elementwise.h"

namespace tercel::inline kernels {

std::vector<RefEntry> unary_math_refs() {
  return {
      unary_ref("Abs",
                [](Number auto x) {
                  using T = decltype(x);
                  if constexpr (Real<T>) return std::abs(x);
                  else return x < 0 ? wrap_sub(T{0}, x) : x;  // the lowest number has no opposite: it stays
                }),
      unary_ref("Acos", [](Real auto x) { return std::acos(x); }),
      unary_ref("Acosh", [](Real auto x) { return std::acosh(x); }),
      unary_ref("Asin", [](Real auto x) { return std::asin(x); }),
      unary_ref("Asinh", [](Real auto x) { return std::asinh(x); }),
      unary_ref("Atan", [](Real auto x) { return std::atan(x); }),
      unary_ref("Atanh", [](Real auto x) { return std::atanh(x); }),
      unary_ref("Ceil", [](Real auto x) { return std::ceil(x); }),
      unary_ref("Cos", [](Real auto x) { return std::cos(x); }),
      unary_ref("Cosh", [](Real auto x) { return std::cosh(x); }),
      unary_ref("Erf",
                [](Number auto x) {
                  using T = decltype(x);
                  if constexpr (Real<T>) return std::erf(x);
                  else return static_cast<T>(std::erf(static_cast<double>(x)));
                }),
      unary_ref("Exp", [](Real auto x) { return std::exp(x); }),
      unary_ref("Floor", [](Real auto x) { return std::floor(x); }),
      unary_ref("IsNaN", [](Real auto x) { return std::isnan(x); }),
      unary_ref_with("IsInf",
                     [](const Attrs& attrs) {
                       return [negative = attrs.get_bool("detect_negative"),
                               positive = attrs.get_bool("detect_positive")](Real auto x) {
                         return std::isinf(x) && (x < 0 ? negative : positive);
                       };
                     }),
      unary_ref("Log", [](Real auto x) { return std::log(x); }),
      unary_ref("Neg",
                [](Number auto x) {
                  using T = decltype(x);
                  if constexpr (Real<T>) return -x;
                  else return wrap_sub(T{0}, x);
                }),
      unary_ref("Reciprocal", [](Real auto x) { return 1 / x; }),
      unary_ref("Round", [](Real auto x) { return std::nearbyint(x); }),  // half to even: the mode programs start in
      unary_ref("Sign",
                [](Number auto x) {
                  using T = decltype(x);
                  return x > 0 ? T(1) : x < 0 ? T(-1) : x;  // 0 and NaN stay
                }),
      unary_ref("Sin", [](Real auto x) { return std::sin(x); }),
      unary_ref("Sinh", [](Real auto x) { return std::sinh(x); }),
      unary_ref("Sqrt", [](Real auto x) { return std::sqrt(x); }),
      unary_ref("Tan", [](Real auto x) { return std::tan(x); }),
      unary_ref("Tanh", [](Real auto x) { return std::tanh(x); }),
  };
}

}  // namespace tercel::inline kernels

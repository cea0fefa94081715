// From stored elements to the type arithmetic happens in, and back; conversions that are defined for every value.
#pragma once

#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>

#include "tensor/dtype.h"

namespace tercel::inline kernels {

/// What elements are computed in: float for the half types, bool for Bool, the type itself otherwise.
template <typename T>
struct ComputeOf {
  using type = T;
};
template <>
struct ComputeOf<Half> {
  using type = float;
};
template <>
struct ComputeOf<BFloat16> {
  using type = float;
};
template <>
struct ComputeOf<Bool> {
  using type = bool;
};
template <typename T>
using Compute = typename ComputeOf<T>::type;

// Constraints for functions over Compute types: numbers, real numbers, whole numbers (bool is none of them).
template <typename T>
concept Number = std::is_arithmetic_v<T> && !std::same_as<T, bool>;
template <typename T>
concept Real = std::floating_point<T>;
template <typename T>
concept Whole = std::integral<T> && !std::same_as<T, bool>;

/// Towards zero; what lies outside the range of I becomes the nearest end of it, NaN becomes 0.
template <Whole I, Real F>
I saturate_cast(F value) {
  constexpr I kHalf = std::numeric_limits<I>::max() / 2 + 1;
  constexpr F kEnd = static_cast<F>(kHalf) * 2;  // max + 1: a power of two, so exact
  constexpr F kLow = static_cast<F>(std::numeric_limits<I>::min());
  if (value != value) return 0;
  if (value >= kEnd) return std::numeric_limits<I>::max();
  if (value < kLow) return std::numeric_limits<I>::min();
  return static_cast<I>(value);
}

/// A double as a float from which a narrower type rounds to the same bits as from the double itself: where the float is
/// not exact, its last bit is made odd ("round to odd", Boldo and Melquiond 2008), so that no tie arises by accident.
inline float round_to_odd(double value) {
  float rounded = static_cast<float>(value);
  if (std::isnan(value) || std::isinf(rounded) || static_cast<double>(rounded) == value) return rounded;
  if (std::abs(static_cast<double>(rounded)) > std::abs(value)) rounded = std::nextafter(rounded, 0.0f);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(rounded) | 1u);
}

/// Any Compute value to any element type: real to whole saturates, whole to whole wraps, anything but 0 is true.
template <typename T, typename C>
T convert(C value) {
  using To = Compute<T>;
  if constexpr (std::is_same_v<To, bool>) return T(value != C{0});
  else if constexpr (Whole<To> && Real<C>) return saturate_cast<To>(value);
  else if constexpr (std::is_same_v<C, double> && sizeof(T) == 2) return T(round_to_odd(value));
  else return T(static_cast<To>(value));
}

// Whole-number arithmetic modulo 2^bits, without undefined overflow.
template <Whole T>
T wrap_add(T a, T b) {
  return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
template <Whole T>
T wrap_sub(T a, T b) {
  return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
template <Whole T>
T wrap_mul(T a, T b) {
  return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

}  // namespace tercel::inline kernels

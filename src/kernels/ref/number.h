// How reference kernels count: floats in double, integers exactly.
#pragma once

#include <vector>

#include "base/error.h"
#include "kernels/ref/convert.h"
#include "tensor/view.h"

namespace tercel::inline kernels {

template <typename T>
inline constexpr bool kIsFloat =
    std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

/// What sums of T are kept in. Integers wrap as unsigned 64 bits, which ends in the right T for every integer type.
template <typename T>
using Sum = std::conditional_t<kIsFloat<T>, double, uint64_t>;

template <typename T>
Sum<T> to_sum(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return static_cast<float>(value);
  else return static_cast<Sum<T>>(value);
}

template <typename T>
T from_sum(Sum<T> sum) {
  if constexpr (kIsFloat<T>) return convert<T>(sum);
  else return static_cast<T>(sum);
}

template <typename T>
double to_double(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return static_cast<float>(value);
  else return static_cast<double>(value);
}

/// Below everything of type T, or equal to the lowest.
template <typename T>
T lowest_of() {
  if constexpr (kIsFloat<T>) return convert<T>(-std::numeric_limits<double>::infinity());
  else return std::numeric_limits<T>::lowest();
}

template <typename T>
T highest_of() {
  if constexpr (kIsFloat<T>) return convert<T>(std::numeric_limits<double>::infinity());
  else return std::numeric_limits<T>::max();
}

/// visit_dtype for the types an operator takes; the shape rule has refused the others.
template <typename F>
decltype(auto) visit_float(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f(Tag<float>{});
    case DType::f64: return f(Tag<double>{});
    case DType::f16: return f(Tag<Half>{});
    case DType::bf16: return f(Tag<BFloat16>{});
    default: break;
  }
  fail_unsupported("no reference kernel for {}", to_string(dtype));
}

template <typename F>
decltype(auto) visit_number(DType dtype, F&& f) {
  return visit_dtype(dtype, [&](auto tag) {
    if constexpr (std::is_same_v<typename decltype(tag)::type, Bool>) fail_unsupported("no reference kernel for bool");
    else f(tag);
  });
}

/// For operands that are u8 or i8.
template <typename F>
void visit_byte(DType dtype, F&& f) {
  if (dtype == DType::u8) f(Tag<uint8_t>{});
  else f(Tag<int8_t>{});
}

/// The elements of a float tensor; nothing where it is left out.
inline std::vector<double> doubles_of(const View& view) {
  std::vector<double> values;
  if (!view) return values;
  visit_float(view.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* data = view.as<T>();
    for (int64_t i = 0; i < view.elements(); ++i) values.push_back(to_double(data[i]));
  });
  return values;
}

}  // namespace tercel::inline kernels

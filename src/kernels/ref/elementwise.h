// How elementwise kernels are made from functions of single numbers.
#pragma once

#include "kernels/ref/broadcast.h"
#include "kernels/ref/convert.h"
#include "kernels/ref/ref.h"

namespace tercel::inline kernels {

/// The element type of f's results over elements of type T: Bool where f answers with a bool, T otherwise.
template <typename T, typename R>
using ResultOf = std::conditional_t<std::is_same_v<R, bool>, Bool, T>;

/// dst[i] = f(src[i]), for every element type whose Compute type f takes; half types are computed in float.
template <typename F>
void map_unary(const View& src, const View& dst, F f) {
  visit_dtype(src.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    if constexpr (std::is_invocable_v<F, C>) {
      using R = ResultOf<T, std::invoke_result_t<F, C>>;
      const T* from = src.as<T>();
      R* to = dst.as<R>();
      const int64_t count = dst.elements();
      for (int64_t i = 0; i < count; ++i) to[i] = R(f(static_cast<C>(from[i])));
    } else {
      TERCEL_CHECK(false, "no kernel for {}", to_string(src.dtype));
    }
  });
}

/// dst = f(a, b) with a and b broadcast to dst; both have the same element type.
template <typename F>
void map_binary(const View& a, const View& b, const View& dst, F f) {
  visit_dtype(a.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    if constexpr (std::is_invocable_v<F, C, C>) {
      using R = ResultOf<T, std::invoke_result_t<F, C, C>>;
      const T* left = a.as<T>();
      const T* right = b.as<T>();
      R* to = dst.as<R>();
      const std::array strides{broadcast_strides(a.dims, dst.dims), broadcast_strides(b.dims, dst.dims)};
      walk(dst.dims, strides,
           [&](int64_t i, const auto& at) { to[i] = R(f(static_cast<C>(left[at[0]]), static_cast<C>(right[at[1]]))); });
    } else {
      TERCEL_CHECK(false, "no kernel for {}", to_string(a.dtype));
    }
  });
}

// F is a lambda without captures, made anew inside the kernel: that keeps RefFn a plain function pointer.

/// `F` maps a number to a number.
template <typename F>
RefEntry unary_ref(std::string_view op, F) {
  return {op,
          [](const Attrs&, std::span<const View> src, std::span<const View> dst) { map_unary(src[0], dst[0], F{}); }};
}

/// `F` maps attributes to a function that maps a number to a number.
template <typename F>
RefEntry unary_ref_with(std::string_view op, F) {
  return {op, [](const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
            map_unary(src[0], dst[0], F{}(attrs));
          }};
}

/// `F` maps two numbers to a number.
template <typename F>
RefEntry binary_ref(std::string_view op, F) {
  return {op, [](const Attrs&, std::span<const View> src, std::span<const View> dst) {
            map_binary(src[0], src[1], dst[0], F{});
          }};
}

// Parts of the family; elementwise_refs() joins them.
std::vector<RefEntry> activation_refs();
std::vector<RefEntry> arithmetic_refs();
std::vector<RefEntry> cast_refs();
std::vector<RefEntry> logic_refs();
std::vector<RefEntry> unary_math_refs();

}  // namespace tercel::inline kernels

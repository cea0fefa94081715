// Arithmetic on two or more numbers. Whole numbers wrap around; dividing one by zero gives 0, so that nothing traps.
#include <cmath>

#include "kernels/ref/elementwise.h"

namespace tercel::inline kernels {
namespace {

/// Towards zero; x / 0 = 0; the lowest number over -1 wraps around to itself.
template <Whole T>
T divide(T a, T b) {
  if (b == 0) return 0;
  if (std::is_signed_v<T> && b == T(-1)) return wrap_sub(T{0}, a);
  return static_cast<T>(a / b);
}

/// The sign follows the dividend, as in C; x mod 0 = 0.
template <Whole T>
T remainder(T a, T b) {
  if (b == 0 || (std::is_signed_v<T> && b == T(-1))) return 0;
  return static_cast<T>(a % b);
}

/// The sign follows the divisor, as in Python; x mod 0 = 0.
template <Whole T>
T modulo(T a, T b) {
  const T rest = remainder(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? wrap_add(rest, b) : rest;
}

/// base ^ exponent modulo 2^bits; for negative exponents the quotient 1 / base^-exponent rounded towards zero.
template <Whole T>
T power(T base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if (std::is_signed_v<T> && base == T(-1)) return exponent % 2 == 0 ? T(1) : T(-1);
    return 0;
  }
  T result = 1;
  for (auto rest = static_cast<uint64_t>(exponent); rest != 0; rest >>= 1) {
    if (rest & 1) result = wrap_mul(result, base);
    base = wrap_mul(base, base);
  }
  return result;
}

// Whole to a whole power is exact; all else is computed in double.
template <Number T, Number E>
T power_of(T base, E exponent) {
  if constexpr (Whole<T>) {
    if constexpr (Whole<E>) {
      constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
      if (exponent > 0 && static_cast<uint64_t>(exponent) > kMax)  // odd or even is all that can still matter
        return power(base, static_cast<int64_t>(kMax - 1 + (exponent & 1)));
      return power(base, static_cast<int64_t>(exponent));
    } else if (exponent == std::trunc(exponent) && std::abs(exponent) < E(0x1p62)) {
      return power(base, static_cast<int64_t>(exponent));
    }
  }
  return convert<T>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
}

void pow(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const std::array strides{broadcast_strides(src[0].dims, dst[0].dims), broadcast_strides(src[1].dims, dst[0].dims)};
  visit_dtype(src[0].dtype, [&](auto base_tag) {
    using T = typename decltype(base_tag)::type;
    visit_dtype(src[1].dtype, [&](auto exponent_tag) {
      using E = typename decltype(exponent_tag)::type;
      if constexpr (Number<Compute<T>> && Number<Compute<E>>) {
        const T* base = src[0].as<T>();
        const E* exponent = src[1].as<E>();
        T* to = dst[0].as<T>();
        walk(dst[0].dims, strides, [&](int64_t i, const auto& at) {
          to[i] = T(power_of(static_cast<Compute<T>>(base[at[0]]), static_cast<Compute<E>>(exponent[at[1]])));
        });
      } else {
        TERCEL_CHECK(false, "no kernel for {} to the {}", to_string(src[0].dtype), to_string(src[1].dtype));
      }
    });
  });
}

void mod(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const bool like_c = attrs.get_bool("fmod");
  map_binary(src[0], src[1], dst[0], [like_c](Number auto a, Number auto b) {
    if constexpr (Real<decltype(a)>) return std::fmod(a, b);
    else return like_c ? remainder(a, b) : modulo(a, b);
  });
}

/// dst = finish(step(... step(src0, src1) ..., srcn)), all broadcast to dst. Intermediate values keep the Compute type.
template <typename Step, typename Finish>
void fold(std::span<const View> src, const View& dst, Step step, Finish finish) {
  visit_dtype(dst.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    if constexpr (Number<C>) {
      std::vector<C> sum(static_cast<size_t>(dst.elements()));
      for (size_t k = 0; k < src.size(); ++k) {
        const T* from = src[k].as<T>();
        walk(dst.dims, std::array{broadcast_strides(src[k].dims, dst.dims)}, [&](int64_t i, const auto& at) {
          C& total = sum[static_cast<size_t>(i)];
          const C value = static_cast<C>(from[at[0]]);
          total = k == 0 ? value : step(total, value);
        });
      }
      T* to = dst.as<T>();
      for (size_t i = 0; i < sum.size(); ++i) to[i] = T(finish(sum[i]));
    } else {
      TERCEL_CHECK(false, "no kernel for {}", to_string(dst.dtype));
    }
  });
}

constexpr auto kAdd = [](Number auto a, Number auto b) {
  if constexpr (Real<decltype(a)>) return a + b;
  else return wrap_add(a, b);
};
// NaN wins over any number, as in NumPy.
constexpr auto kMax = [](Number auto a, Number auto b) { return a > b || a != a ? a : b; };
constexpr auto kMin = [](Number auto a, Number auto b) { return a < b || a != a ? a : b; };
constexpr auto kAsIs = [](Number auto x) { return x; };

void max(const Attrs&, std::span<const View> src, std::span<const View> dst) { fold(src, dst[0], kMax, kAsIs); }
void min(const Attrs&, std::span<const View> src, std::span<const View> dst) { fold(src, dst[0], kMin, kAsIs); }
void sum(const Attrs&, std::span<const View> src, std::span<const View> dst) { fold(src, dst[0], kAdd, kAsIs); }
void mean(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  fold(src, dst[0], kAdd, [count = src.size()](Number auto x) {
    using T = decltype(x);
    if constexpr (Real<T>) return x / static_cast<T>(count);
    else return static_cast<T>(x / static_cast<T>(count));
  });
}

/// min(max(x, low), high); a bound that is left out does not bind. Where low > high, high wins.
void clip(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const View low = operand(src, 1), high = operand(src, 2);
  visit_dtype(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    if constexpr (Number<C>) {
      map_unary(src[0], dst[0], [&](std::same_as<C> auto x) {
        if (low && x < static_cast<C>(*low.as<T>())) x = static_cast<C>(*low.as<T>());
        if (high && x > static_cast<C>(*high.as<T>())) x = static_cast<C>(*high.as<T>());
        return x;
      });
    }
  });
}

}  // namespace

std::vector<RefEntry> arithmetic_refs() {
  return {
      {"Clip", clip},
      {"Max", max},
      {"Mean", mean},
      {"Min", min},
      {"Mod", mod},
      {"Pow", pow},
      {"Sum", sum},
      binary_ref("Add", kAdd),
      binary_ref("Div",
                 [](Number auto a, Number auto b) {
                   if constexpr (Real<decltype(a)>) return a / b;
                   else return divide(a, b);
                 }),
      binary_ref("Mul",
                 [](Number auto a, Number auto b) {
                   if constexpr (Real<decltype(a)>) return a * b;
                   else return wrap_mul(a, b);
                 }),
      binary_ref("Sub",
                 [](Number auto a, Number auto b) {
                   if constexpr (Real<decltype(a)>) return a - b;
                   else return wrap_sub(a, b);
                 }),
  };
}

}  // namespace tercel::inline kernels

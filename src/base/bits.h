// Small integer arithmetic with the overflow question answered.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

namespace tercel::inline base {

template <typename T>
constexpr T div_up(T a, T b) {
  return (a + b - 1) / b;
}

template <typename T>
constexpr T round_up(T a, T b) {
  return div_up(a, b) * b;
}

/// a * b, or nothing where the product does not fit.
inline std::optional<int64_t> checked_mul(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// a + b, or nothing where the sum does not fit.
inline std::optional<int64_t> checked_add(int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

/// Index of the highest bit of x, which is not 0. (std::bit_width asks about 0, which costs a branch.)
inline int highest_bit(uint32_t x) { return 31 ^ __builtin_clz(x); }

/// Reads a T from an address of any alignment.
template <typename T>
T load_unaligned(const void* address) {
  T value;
  std::memcpy(&value, address, sizeof(T));
  return value;
}

}  // namespace tercel::inline base

// How elements of any type become planes of bytes.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "tensor/dtype.h"

namespace tercel::codec {

/// The bits that planes are cut from. Of floating types the sign is rotated to the lowest bit, so that the exponent
/// fills the first plane.
template <std::unsigned_integral T>
T rotated(T bits, bool floating) {
  return floating ? std::rotl(bits, 1) : bits;
}
template <std::unsigned_integral T>
T rotated_back(T bits, bool floating) {
  return floating ? std::rotr(bits, 1) : bits;
}

/// The most significant byte is plane 0.
template <std::unsigned_integral T>
int plane_shift(size_t plane) {
  return static_cast<int>(8 * (sizeof(T) - 1 - plane));
}

/// Calls f(T()) with the unsigned type as wide as the element.
template <typename F>
decltype(auto) visit_bits(DType dtype, F&& f) {
  return visit_dtype(dtype, [&](auto tag) -> decltype(auto) {
    constexpr size_t kWidth = sizeof(typename decltype(tag)::type);
    if constexpr (kWidth == 1) return f(uint8_t{});
    else if constexpr (kWidth == 2) return f(uint16_t{});
    else if constexpr (kWidth == 4) return f(uint32_t{});
    else return f(uint64_t{});
  });
}

}  // namespace tercel::codec

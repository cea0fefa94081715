// How a level becomes bins: significance, sign, "is the magnitude above n?" one by one, then Exp-Golomb. Declared once;
// the coder, the decoder and the pricing are the `bins` this is handed.
#pragma once

#include <bit>
#include <cstdint>

namespace tercel::codec {

/// Magnitudes 1 .. kUnary are told apart by unary bins; past it the rest is Exp-Golomb of order 0.
inline constexpr int kUnary = 14;
/// Prefix lengths up to it reach kMaxLevel = 2^30 and hardly further.
inline constexpr int kMaxPrefix = 29;

/// Contexts is a structure of one context each: `zero`, `sign`, `above[kUnary]`, `prefix[kMaxPrefix]`.
/// `bins.bit(context, value)` codes one bin: writers use the value, readers set it. `bins.raw(count, value)` codes the
/// low `count` bits of value without a context. Readers ignore the incoming level.
template <typename Bins, typename Contexts>
inline int32_t visit_level(Bins& bins, Contexts&& contexts, int32_t level) {
  uint32_t magnitude = level < 0 ? 0u - static_cast<uint32_t>(level) : static_cast<uint32_t>(level);
  if (!bins.bit(contexts.nonzero(), magnitude != 0)) return 0;
  const bool negative = bins.bit(contexts.sign(), level < 0);
  uint32_t n = 1;
  while (n <= kUnary && bins.bit(contexts.above(n), magnitude > n)) ++n;
  if (n > kUnary) {
    // magnitude - kUnary in Exp-Golomb: its length in unary, then its bits below the leading one.
    const uint32_t rest = magnitude - kUnary;
    int length = 0;
    while (length < kMaxPrefix && bins.bit(contexts.prefix(length), (rest >> length) > 1)) ++length;
    n = kUnary + ((uint32_t{1} << length) | bins.raw(length, rest & ((uint32_t{1} << length) - 1)));
  }
  return negative ? -static_cast<int32_t>(n) : static_cast<int32_t>(n);
}

}  // namespace tercel::codec

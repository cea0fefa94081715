// How a level becomes a token and bits in the `balanced` profile. Declared once; `bins` as in syntax/level.h, and
// `bins.symbol(context, value)` codes one of 16.
//
//   magnitude = high * 2^low_bits + low, low_bits chosen by the expected magnitude
//   token: high, or 15 for 15 and more, whose rest is Exp-Golomb
//   low: raw bits; sign: raw, or in a context where there is a prediction
#pragma once

#include <bit>
#include <cstdint>

#include "codec/syntax/level.h"

namespace tercel::codec {

inline constexpr uint32_t kTokenEscape = 15;

/// Contexts answers low_bits(), token(), prefix(i), has_sign_prediction(), predicts_negative() and sign_flag(high):
/// the context of "mispredicted" for a level whose high part is known.
template <typename Bins, typename Contexts>
[[gnu::always_inline]] inline int32_t visit_token(Bins& bins, Contexts&& contexts, int32_t level) {
  const uint32_t magnitude = level < 0 ? 0u - static_cast<uint32_t>(level) : static_cast<uint32_t>(level);
  const int low_bits = contexts.low_bits();
  const uint32_t known = magnitude >> low_bits;
  uint32_t n = bins.symbol(contexts.token(), known < kTokenEscape ? known : kTokenEscape);
  if (n == kTokenEscape) {
    const uint32_t rest = known - (kTokenEscape - 1);
    int length = 0;
    while (length < kMaxPrefix && bins.bit(contexts.prefix(length), (rest >> length) > 1)) ++length;
    n = kTokenEscape - 1 + ((uint32_t{1} << length) | bins.raw(length, rest & ((uint32_t{1} << length) - 1)));
  }
  const uint32_t high = n;
  if (low_bits > 0) n = n << low_bits | bins.raw(low_bits, magnitude & ((1u << low_bits) - 1));
  bool negative;
  if (contexts.has_sign_prediction()) {
    if (n == 0) return 0;
    const bool predicted = contexts.predicts_negative();
    negative = predicted != bins.bit(contexts.sign_flag(high), (level < 0) != predicted);
  } else {
    negative = bins.raw(n != 0, level < 0) != 0;
  }
  return static_cast<int32_t>(negative ? 0u - n : n);
}

}  // namespace tercel::codec

// How a level becomes bins. Declared once; the coder, the decoder and the pricing are the `bins` this is handed.
//
//   magnitude = high * 2^low_bits + low, low_bits chosen by the expected magnitude (0 for small levels)
//   high: gt0_flag, then gtN_flag "high > n" for n = 1, 2, ... kUnary - 1, then Exp-Golomb
//   sign_flag, where the level can have a sign: behind gt0_flag, because it helps to choose the contexts of gtN_flag
//   low: one bin, then raw bits
#pragma once

#include <bit>
#include <cstdint>

namespace tercel::codec {

/// Of the high part: 0 .. kUnary - 1 are coded in unary; past it the rest is Exp-Golomb of order 0.
inline constexpr uint32_t kUnary = 12;
/// Prefix lengths up to it reach kMaxLevel = 2^30 and hardly further.
inline constexpr int kMaxPrefix = 29;

/// `bins.bit(context, value)` codes one bin: writers use the value, readers ignore and return it; `bins.raw(count,
/// value)` does the same with the low `count` bits of value, without a context. Contexts answers
///   low_bits()        bits of the magnitude that are not coded in unary
///   gt0_flag()        of "high > 0"
///   has_sign_prediction()  whether the sign has contexts; else it is raw
///   predicts_negative(), sign_flag()  the predicted sign; the context of "mispredicted"
///   sign_decoded(bool)  whether it was as predicted: it helps to choose the contexts of gtN_flag
///   gtN_flag(n)       of "high > n", n >= 1
///   prefix(i)         of the Exp-Golomb prefix
///   low(bool)         of the highest low bit, for high = 0 or high > 0
template <typename Bins, typename Contexts>
[[gnu::always_inline]] inline int32_t visit_level(Bins& bins, Contexts&& contexts, int32_t level) {
  const uint32_t magnitude = level < 0 ? 0u - static_cast<uint32_t>(level) : static_cast<uint32_t>(level);
  const int low_bits = contexts.low_bits();
  uint32_t high = magnitude >> low_bits;
  if (!bins.bit(contexts.gt0_flag(), high > 0)) {
    if (low_bits == 0) return 0;
    // Below 2^low_bits: the sign follows where the level is not 0.
    uint32_t low = bins.bit(contexts.low(false), magnitude >> (low_bits - 1) & 1);
    low = low << (low_bits - 1) | bins.raw(low_bits - 1, magnitude & ((1u << (low_bits - 1)) - 1));
    if (low == 0) return 0;
    return bins.raw(1, level < 0) != 0 ? -static_cast<int32_t>(low) : static_cast<int32_t>(low);
  }
  bool negative;
  if (contexts.has_sign_prediction()) {
    const bool predicted = contexts.predicts_negative();
    const bool wrong = bins.bit(contexts.sign_flag(), (level < 0) != predicted);
    contexts.sign_decoded(!wrong);
    negative = predicted != wrong;
  } else {
    negative = bins.raw(1, level < 0) != 0;
  }
  uint32_t n = 1;
  while (n < kUnary && bins.bit(contexts.gtN_flag(n), high > n)) ++n;
  if (n == kUnary) {
    // high - (kUnary - 1) in Exp-Golomb: its length in unary, then its bits below the leading one.
    const uint32_t rest = high - (kUnary - 1);
    int length = 0;
    while (length < kMaxPrefix && bins.bit(contexts.prefix(length), (rest >> length) > 1)) ++length;
    n = kUnary - 1 + ((uint32_t{1} << length) | bins.raw(length, rest & ((uint32_t{1} << length) - 1)));
  }
  if (low_bits > 0) {
    n = n << 1 | static_cast<uint32_t>(bins.bit(contexts.low(true), magnitude >> (low_bits - 1) & 1));
    n = n << (low_bits - 1) | bins.raw(low_bits - 1, magnitude & ((1u << (low_bits - 1)) - 1));
  }
  return static_cast<int32_t>(negative ? 0u - n : n);
}

}  // namespace tercel::codec

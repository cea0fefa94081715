// Static symbol probabilities of rANS, in 1/4096.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "codec/cabac/context.h"

namespace tercel::codec {

inline constexpr int kTableBits = 12;
inline constexpr uint32_t kTableSize = 1 << kTableBits;
inline constexpr int kSymbols = 256;

/// States of rANS stay in [kStateLow, 2^32).
inline constexpr uint32_t kStateLow = 1 << 16;

/// How often each symbol comes, of kTableSize. All add up to kTableSize; symbols of frequency 0 cannot be coded.
using Frequencies = std::array<uint16_t, kSymbols>;

/// Frequencies close to `counts` in bits; every symbol that was counted gets at least 1. At least one was.
Frequencies normalize_counts(std::span<const uint64_t, kSymbols> counts);

/// The frequencies' own code: the length of each in bits, unary in contexts that follow the length before, then the
/// bits below the leading one. Readers check the sum afterwards.
template <typename Bins>
void visit_frequencies(Bins& bins, Frequencies& frequencies) {
  constexpr size_t kLengths = kTableBits + 1;
  std::array<std::array<BinContext, kLengths>, kLengths + 1> contexts;
  size_t before = 0;
  for (uint16_t& frequency : frequencies) {
    const auto known = static_cast<size_t>(std::bit_width(frequency));
    size_t length = 0;
    while (length < kLengths && bins.bit(contexts[before][length], known > length)) ++length;
    if (length > 0) {
      const int low_bits = static_cast<int>(length) - 1;
      const uint32_t low = bins.raw(low_bits, frequency & ((1u << low_bits) - 1));
      frequency = static_cast<uint16_t>(1u << low_bits | low);
    } else {
      frequency = 0;
    }
    before = length;
  }
}

}  // namespace tercel::codec

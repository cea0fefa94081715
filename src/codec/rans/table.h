// Static symbol probabilities of rANS, in 1/4096.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "codec/cabac/context.h"
#include "codec/syntax/level.h"

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

/// The frequencies' own code: levels whose contexts follow the size of the frequency before.
template <typename Bins>
void visit_frequencies(Bins& bins, Frequencies& frequencies) {
  constexpr size_t kGroups = kTableBits + 2;
  struct Contexts {
    std::array<std::array<BinContext, kUnary + 1>, kGroups> groups;
    std::array<std::array<BinContext, kMaxPrefix>, kGroups> prefixes;
    BinContext positive;
    size_t group = 0;
    BinContext& nonzero() { return groups[group][0]; }
    BinContext& sign() { return positive; }
    BinContext& above(uint32_t n) { return groups[group][n]; }
    BinContext& prefix(int length) { return prefixes[group][static_cast<size_t>(length)]; }
  } contexts;
  for (uint16_t& frequency : frequencies) {
    // Readers check the sum afterwards; the cut only keeps what they read in its type.
    const auto got = static_cast<uint32_t>(visit_level(bins, contexts, frequency));
    frequency = static_cast<uint16_t>(got > kTableSize ? kTableSize + 1 : got);
    contexts.group = std::min(static_cast<size_t>(std::bit_width(frequency)), kGroups - 1);
  }
}

}  // namespace tercel::codec

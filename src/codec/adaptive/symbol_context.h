// The adaptive probabilities of 16 symbols.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "codec/expect/laplace.h"

namespace tercel::codec {

inline constexpr size_t kTokens = 16;

/// Cumulative probabilities in 1/2^15: below(s) is that of a symbol under s. Each symbol that comes draws the steps at
/// its two sides apart, all sixteen values moving the same 2^-shift of their way; shift grows while the context learns.
class SymbolContext {
 public:
  static constexpr int kBits = 15;
  static constexpr int kOne = 1 << kBits;

  SymbolContext() : SymbolContext(laplace_init(kMeanOne)) {}

  /// Token n has what a Laplace distribution gives magnitude n, the last one all above.
  explicit SymbolContext(const LaplaceInit& init) {
    uint32_t above = init.gt0;
    for (size_t s = 0; s < kTokens; ++s) {
      const auto floor = static_cast<uint32_t>(s) * kLeast;
      below_[s] = static_cast<uint16_t>(s == 0 ? 0 : ((kRest * (65536 - above)) >> 16) + floor);
      if (s > 0) above = above * init.gtN >> 16;
    }
    below_[kTokens] = kOne;
  }

  uint32_t below(uint32_t symbol) const { return below_[symbol]; }

  /// The symbol whose interval holds `value`; the last one past all of them.
  uint32_t find(uint32_t value) const {
    const auto at = static_cast<int16_t>(std::min<uint32_t>(value, kOne - 1));
    const Lanes all = {at, at, at, at, at, at, at, at};
    // The values ascend from 0: the first above `value` comes right behind its symbol.
    return first_of(half(0) > all, half(1) > all) - 1;
  }

  void update(uint32_t symbol) {
    const int shift = kShift[seen_];
    seen_ = static_cast<uint8_t>(seen_ + (seen_ + 1u < kShift.size()));
    for (size_t h = 0; h < 2; ++h) {
      Lanes target;
      std::memcpy(&target, kTargets[symbol].data() + kLanes * h, sizeof target);
      const Lanes value = half(h), moved = value + ((target - value) >> shift);
      std::memcpy(below_.data() + kLanes * h, &moved, sizeof moved);
    }
  }

 private:
  // Vectors of 128 bits, which every machine has: there is nothing to choose at run time.
  static constexpr size_t kLanes = 8;
  using Lanes [[gnu::vector_size(16)]] = int16_t;

  Lanes half(size_t h) const {
    Lanes lanes;
    std::memcpy(&lanes, below_.data() + kLanes * h, sizeof lanes);
    return lanes;
  }

  /// Of sixteen lanes, each 0 or -1, the index of the first that is not 0; 16 if there is none.
  static uint32_t first_of(Lanes low, Lanes high) {
#ifdef __SSE2__
    const __m128i bytes = _mm_packs_epi16(std::bit_cast<__m128i>(low), std::bit_cast<__m128i>(high));
    return static_cast<uint32_t>(std::countr_zero(static_cast<uint32_t>(_mm_movemask_epi8(bytes)) | 1u << kTokens));
#else
    const Lanes count = -(low + high);
    const auto quarters = std::bit_cast<std::array<uint64_t, 2> >(count);
    return kTokens - static_cast<uint32_t>((quarters[0] + quarters[1]) * 0x0001000100010001u >> 48);
#endif
  }

  static constexpr int kLeast = 8;  // no symbol falls below 2^-12
  static constexpr int kRest = kOne - static_cast<int>(kTokens) * kLeast;
  static constexpr auto kShift = [] {
    std::array<uint8_t, 96> shift{};
    for (size_t n = 0; n < shift.size(); ++n) shift[n] = n < 6 ? 4 : n < 24 ? 5 : n < 95 ? 6 : 7;
    return shift;
  }();
  /// Where the values move to when a symbol has come.
  static constexpr auto kTargets = [] {
    std::array<std::array<int16_t, kTokens>, kTokens> targets{};
    for (size_t s = 0; s < kTokens; ++s)
      for (size_t i = 0; i < kTokens; ++i)
        targets[s][i] = static_cast<int16_t>(static_cast<int>(i) * kLeast + (i > s ? kRest : 0));
    return targets;
  }();

  alignas(64) std::array<uint16_t, kTokens + 1> below_;
  uint8_t seen_ = 0;
};

}  // namespace tercel::codec

// The adaptive probabilities of 16 symbols.
#pragma once

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

  SymbolContext() : SymbolContext(laplace_start(kMeanOne)) {}

  /// Token n has what a Laplace distribution gives magnitude n, the last one all above.
  explicit SymbolContext(const LaplaceStart& start) {
    uint32_t above = start.positive;
    for (size_t s = 0; s < kTokens; ++s) {
      const auto floor = static_cast<uint32_t>(s) * kLeast;
      below_[s] = static_cast<int16_t>(s == 0 ? 0 : ((kRest * (65536 - above)) >> 16) + floor);
      if (s > 0) above = above * start.above >> 16;
    }
  }

  uint32_t below(uint32_t symbol) const { return symbol == kTokens ? kOne : static_cast<uint32_t>(below_[symbol]); }

  /// The symbol whose share holds `place`, below kOne.
  uint32_t find(uint32_t place) const {
    const Lanes at = all(place);
    // A comparison that holds is -1 in its lane; the values ascend, the first is 0.
    const Lanes count = -((half(0) <= at) + (half(1) <= at));
    const auto quarters = std::bit_cast<std::array<uint64_t, 2>>(count);
    return static_cast<uint32_t>((quarters[0] + quarters[1]) * 0x0001000100010001u >> 48) - 1;
  }

  void update(uint32_t symbol) {
    const int shift = kShift[seen_];
    seen_ = static_cast<uint8_t>(seen_ + (seen_ + 1u < kShift.size()));
    const Lanes chosen = all(symbol);
    for (size_t h = 0; h < 2; ++h) {
      const Lanes index = std::bit_cast<Lanes>(h == 0 ? kFirst : kSecond), value = half(h);
      const Lanes target = index * kLeast + ((index > chosen) & all(kRest));
      const Lanes moved = value + ((target - value) >> shift);
      std::memcpy(below_.data() + 8 * h, &moved, sizeof moved);
    }
  }

 private:
  // Vectors of 128 bits, which every machine has: there is nothing to choose at run time.
  using Lanes [[gnu::vector_size(16)]] = int16_t;
  static constexpr std::array<int16_t, 8> kFirst = {0, 1, 2, 3, 4, 5, 6, 7}, kSecond = {8, 9, 10, 11, 12, 13, 14, 15};

  static Lanes all(uint32_t value) {
    const auto v = static_cast<int16_t>(value);
    return Lanes{v, v, v, v, v, v, v, v};
  }
  Lanes half(size_t h) const {
    Lanes lanes;
    std::memcpy(&lanes, below_.data() + 8 * h, sizeof lanes);
    return lanes;
  }

  static constexpr int16_t kLeast = 8;  // no symbol falls below 2^-12
  static constexpr int16_t kRest = kOne - kTokens * kLeast;
  static constexpr auto kShift = [] {
    std::array<uint8_t, 96> shift{};
    for (size_t n = 0; n < shift.size(); ++n) shift[n] = n < 6 ? 4 : n < 24 ? 5 : n < 95 ? 6 : 7;
    return shift;
  }();

  alignas(16) std::array<int16_t, kTokens> below_;
  uint8_t seen_ = 0;
};

}  // namespace tercel::codec

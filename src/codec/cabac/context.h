// The adaptive probability of one kind of bin.
#pragma once

#include <cstdint>

namespace tercel::codec {

/// Two running means of "the bin was 1", as 16-bit fractions: one quick to follow, one quiet; their average is the
/// estimate. Both stay inside [2^-11, 1 - 2^-11] by themselves (a shift loses what is below it).
struct BinContext {
  uint16_t quick = 1 << 15, slow = 1 << 15;

  static constexpr int kQuickShift = 4, kSlowShift = 7;

  /// Of a 1, in 1/65536; from 1 to 65535.
  uint32_t one() const { return (uint32_t{quick} + slow) >> 1 | 1; }

  void update(bool bin) {
    const uint32_t target = bin ? 0xFFFF : 0;
    quick = static_cast<uint16_t>(quick + ((static_cast<int32_t>(target - quick)) >> kQuickShift));
    slow = static_cast<uint16_t>(slow + ((static_cast<int32_t>(target - slow)) >> kSlowShift));
  }
};

}  // namespace tercel::codec

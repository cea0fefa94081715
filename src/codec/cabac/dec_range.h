// Binary range decoder: the mirror of RangeEncoder. It cannot fail: past its bytes it reads zeros, and whoever calls
// has checked the bytes' CRC.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bits.h"
#include "codec/cabac/context.h"

namespace tercel::codec {

class RangeDecoder {
 public:
  explicit RangeDecoder(std::span<const std::byte> bytes) : next_(bytes.data()), end_(bytes.data() + bytes.size()) {
    refill();
    refill();
  }

  bool bit(BinContext& context, bool = false) {
    const uint32_t one = (range_ >> 16) * context.one();
    const uint64_t split = uint64_t{one} << 32;
    const bool value = window_ < split;
    window_ -= value ? 0 : split;
    range_ = value ? one : range_ - one;
    context.update(value);
    skip(std::countl_zero(range_));
    return value;
  }

  uint32_t raw(int count, uint32_t = 0) {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
      range_ >>= 1;
      const uint64_t split = uint64_t{range_} << 32;
      const bool one = window_ < split;
      window_ -= one ? 0 : split;
      value = value << 1 | one;
      skip(std::countl_zero(range_));
    }
    return value;
  }

 private:
  void skip(int count) {
    range_ <<= count;
    window_ <<= count;
    spare_ -= count;
    if (spare_ < 0) refill();
  }

  /// 32 more bits behind those the window holds.
  void refill() {
    uint64_t more = 0;
    if (end_ - next_ >= 4) {
      more = __builtin_bswap32(load_unaligned<uint32_t>(next_));
      next_ += 4;
    } else {
      for (int shift = 24; shift >= 0; shift -= 8)
        if (next_ != end_) more |= uint64_t{static_cast<uint8_t>(*next_++)} << shift;
    }
    window_ |= more << -spare_;
    spare_ += 32;
  }

  const std::byte* next_;
  const std::byte* end_;
  uint64_t window_ = 0;           ///< the value less `low`; its upper 32 bits compare with the range
  uint32_t range_ = 0xFFFFFFFFu;  ///< from 2^31 up
  int spare_ = -32;               ///< bits of the window below the 32 compared, less what is missing
};

}  // namespace tercel::codec

// Binary range decoder: the mirror of RangeEncoder. It cannot fail: past its bytes it reads zeros, and whoever calls
// has checked the bytes' CRC.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bits.h"
#include "codec/adaptive/symbol_context.h"
#include "codec/cabac/context.h"

namespace tercel::codec {

class RangeDecoder {
 public:
  explicit RangeDecoder(std::span<const std::byte> bytes)
      : begin_(bytes.data()),
        raw_end_(bytes.data() + bytes.size()),
        next_(bytes.data()),
        end_(bytes.data() + bytes.size()) {
    refill();
    refill();
  }

  bool bit(BinContext& context, bool = false) {
    const uint32_t one = (range_ >> 16) * context.one();
    const uint64_t split = uint64_t{one} << 32;
    const bool value = window_ < split;
    move_to(window_ - (value ? 0 : split), value ? one : range_ - one);
    context.update(value);
    return value;
  }

  /// The next `count` raw bits, 0 to 31.
  uint32_t raw(int count, uint32_t = 0) {
    if (raw_count_ < count) refill_raw();
    const auto value = static_cast<uint32_t>(raw_bits_ & ((uint64_t{1} << count) - 1));
    raw_bits_ >>= count;
    raw_count_ -= count;
    return value;
  }

  uint32_t symbol(SymbolContext& context, uint32_t = 0) {
    const uint32_t unit = range_ >> SymbolContext::kBits;
    const uint32_t value = context.find(static_cast<uint32_t>(window_ >> 32) / unit);
    const uint32_t below = context.below(value);
    move_to(window_ - (uint64_t{unit} * below << 32), unit * (context.below(value + 1) - below));
    context.update(value);
    return value;
  }

 private:
  void move_to(uint64_t window, uint32_t range) {
    const int count = 31 - highest_bit(range);
    window_ = window << count;
    range_ = range << count;
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

  /// 32 raw bits more, from the end of the bytes backwards.
  void refill_raw() {
    uint64_t more = 0;
    if (raw_end_ - begin_ >= 4) {
      raw_end_ -= 4;
      more = __builtin_bswap32(load_unaligned<uint32_t>(raw_end_));
    } else {
      for (int shift = 0; raw_end_ != begin_; shift += 8) more |= uint64_t{static_cast<uint8_t>(*--raw_end_)} << shift;
    }
    raw_bits_ |= more << raw_count_;
    raw_count_ += 32;
  }

  const std::byte* begin_;
  const std::byte* raw_end_;
  uint64_t raw_bits_ = 0;
  int raw_count_ = 0;
  const std::byte* next_;
  const std::byte* end_;
  uint64_t window_ = 0;           ///< the value less `low`; its upper 32 bits compare with the range
  uint32_t range_ = 0xFFFFFFFFu;  ///< from 2^31 up
  int spare_ = -32;               ///< bits of the window below the 32 compared, less what is missing
};

}  // namespace tercel::codec

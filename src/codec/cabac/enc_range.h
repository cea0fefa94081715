// Binary range encoder. Interval arithmetic as in Martin 1979 and Said 2004: `low` and `range` name the interval of the
// bins so far; a bin takes its share of it; leading bits that are settled go out.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

#include "codec/cabac/context.h"

namespace tercel::codec {

class RangeEncoder {
 public:
  explicit RangeEncoder(std::string& out) : out_(out), begin_(out.size()) {}

  bool bit(BinContext& context, bool value) {
    const uint32_t one = (range_ >> 16) * context.one();
    if (value) {
      range_ = one;
    } else {
      low_ += one;
      range_ -= one;
    }
    context.update(value);
    normalize();
    return value;
  }

  uint32_t raw(int count, uint32_t value) {
    for (int i = count - 1; i >= 0; --i) {
      range_ >>= 1;
      if ((value >> i & 1) == 0) low_ += range_;
      normalize();
    }
    return value;
  }

  /// Writes what the decoder still needs: the shortest bytes inside the interval. It reads zeros after them.
  void finish() {
    // The value in [low, low + range) with the most zero bits at its end.
    const uint64_t last = low_ + range_ - 1;
    int keep = 32 + pending_;
    for (int zeros = keep; zeros > 0; --zeros) {
      const uint64_t candidate = last >> zeros << zeros;
      if (zeros < 64 && candidate >= low_) {
        low_ = candidate;
        break;
      }
    }
    for (; keep > 0; keep -= 8) {
      const int shift = keep - 8;
      emit(static_cast<uint32_t>(shift >= 0 ? low_ >> shift : low_ << -shift));
      low_ &= shift >= 0 ? (uint64_t{1} << shift) - 1 : 0;
    }
    while (out_.size() > begin_ && out_.back() == 0) out_.pop_back();
  }

 private:
  void normalize() {
    const int shift = std::countl_zero(range_);
    range_ <<= shift;
    low_ <<= shift;
    pending_ += shift;
    while (pending_ >= 8) {
      pending_ -= 8;
      emit(static_cast<uint32_t>(low_ >> (32 + pending_)));
      low_ &= (uint64_t{1} << (32 + pending_)) - 1;
    }
  }

  /// A settled byte, with the carry of a late addition as its ninth bit.
  void emit(uint32_t byte) {
    if (byte > 0xFF)
      for (size_t i = out_.size(); i-- > begin_;)
        if (out_[i] = static_cast<char>(out_[i] + 1); out_[i] != 0) break;
    out_.push_back(static_cast<char>(byte));
  }

  std::string& out_;
  size_t begin_;
  uint64_t low_ = 0;  ///< 32 bits that `range` can still reach, above them `pending` settled ones and a carry
  uint32_t range_ = 0xFFFFFFFFu;  ///< from 2^31 up
  int pending_ = 0;
};

}  // namespace tercel::codec

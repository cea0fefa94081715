// Binary range encoder. Interval arithmetic as in Martin 1979 and Said 2004: `low` and `range` name the interval of the
// bins so far; a bin takes its share of it; leading bits that are settled go out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/bits.h"
#include "codec/adaptive/symbol_context.h"
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

  /// The low `count` bits of value, each as likely as not; count 0 to 31. They stand at the chunk's end, from its last
  /// byte backwards: the decoder takes them without waiting for the bins before them.
  uint32_t raw(int count, uint32_t value) {
    raw_bits_ |= (uint64_t{value} & ((uint64_t{1} << count) - 1)) << raw_count_;
    for (raw_count_ += count; raw_count_ >= 8; raw_count_ -= 8, raw_bits_ >>= 8)
      raw_.push_back(static_cast<char>(raw_bits_));
    return value;
  }

  uint32_t symbol(SymbolContext& context, uint32_t value) {
    const uint32_t unit = range_ >> SymbolContext::kBits;
    const uint32_t below = context.below(value);
    low_ += uint64_t{unit} * below;
    range_ = unit * (context.below(value + 1) - below);
    context.update(value);
    normalize();
    return value;
  }

  /// Writes what the decoder still needs: the shortest bytes that stay inside the interval whatever follows them. It
  /// reads the raw bits there, or zeros.
  void finish() {
    const uint64_t end = low_ + range_;
    int keep = 32 + pending_;
    for (int free = keep; free >= 0; --free) {
      const uint64_t step = uint64_t{1} << free, candidate = (low_ + step - 1) / step * step;
      if (candidate + step > end) continue;
      low_ = candidate;
      // Bytes that are free altogether need not be written.
      for (; keep > free; keep -= 8) {
        const int shift = keep - 8;
        emit(static_cast<uint32_t>(shift >= 0 ? low_ >> shift : low_ << -shift));
        low_ &= shift >= 0 ? (uint64_t{1} << shift) - 1 : 0;
      }
      break;
    }
    if (raw_count_ > 0) raw_.push_back(static_cast<char>(raw_bits_));
    if (raw_.empty())
      while (out_.size() > begin_ && out_.back() == 0) out_.pop_back();
    out_.append(raw_.rbegin(), raw_.rend());
  }

 private:
  void normalize() {
    const int shift = 31 - highest_bit(range_);
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
  std::string raw_;
  uint64_t raw_bits_ = 0;
  int raw_count_ = 0;
};

}  // namespace tercel::codec

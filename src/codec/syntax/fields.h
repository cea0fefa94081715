// Visitors over the fields of a stream. A structure lists its fields once, as calls of `visit.byte(...)`,
// `visit.number(...)`, `visit.word(...)`; the visitors here write them, read them, or make them up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/bits.h"
#include "base/error.h"
#include "base/rng.h"

namespace tercel::codec {

/// Appends fields to a string.
class FieldWriter {
 public:
  explicit FieldWriter(std::string& out) : out_(out) {}

  /// One byte, at most `most`.
  template <typename T>
  void byte(std::string_view, T& value, uint8_t) {
    out_.push_back(static_cast<char>(value));
  }
  /// LEB128: seven bits a byte, least significant first, the top bit set where more follow; at most `most`.
  void number(std::string_view, int64_t& value, int64_t) {
    auto rest = static_cast<uint64_t>(value);
    for (; rest >= 0x80; rest >>= 7) out_.push_back(static_cast<char>(rest | 0x80));
    out_.push_back(static_cast<char>(rest));
  }
  /// 32 bits, least significant byte first.
  void word(std::string_view, uint32_t& value) {
    for (int shift = 0; shift < 32; shift += 8) out_.push_back(static_cast<char>(value >> shift));
  }

 private:
  std::string& out_;
};

/// Takes fields from bytes; throws Error where they end early or break their limits.
class FieldReader {
 public:
  explicit FieldReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  void byte(std::string_view name, T& value, uint8_t most) {
    const uint8_t got = next(name);
    if (got > most) fail_input("{} is {}, at most {} is known", name, got, most);
    value = static_cast<T>(got);
  }
  void number(std::string_view name, int64_t& value, int64_t most) {
    uint64_t sum = 0;
    for (int shift = 0;; shift += 7) {
      const uint8_t got = next(name);
      // One way to write each number: no idle zero bytes at the end.
      if (shift > 56 || (got == 0 && shift > 0)) fail_input("{} is not written as a number", name);
      sum |= uint64_t{got & 0x7Fu} << shift;
      if (got < 0x80) break;
    }
    value = static_cast<int64_t>(sum);
    if (value > most) fail_input("{} is {}, at most {} is possible here", name, value, most);
  }
  void word(std::string_view name, uint32_t& value) {
    value = 0;
    for (int shift = 0; shift < 32; shift += 8) value |= uint32_t{next(name)} << shift;
  }
  std::span<const std::byte> rest() const { return rest_; }
  std::span<const std::byte> take(int64_t count, std::string_view name) {
    if (count < 0 || static_cast<uint64_t>(count) > rest_.size())
      fail_input("{} of {} bytes, but {} are left", name, count, rest_.size());
    const auto taken = rest_.first(static_cast<size_t>(count));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

 private:
  uint8_t next(std::string_view name) {
    if (rest_.empty()) fail_input("the stream ends before its {}", name);
    const auto got = static_cast<uint8_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return got;
  }

  std::span<const std::byte> rest_;
};

/// Random values within their limits.
class FieldGenerator {
 public:
  explicit FieldGenerator(Rng& rng) : rng_(rng) {}

  template <typename T>
  void byte(std::string_view, T& value, uint8_t most) {
    value = static_cast<T>(rng_.below(int64_t{most} + 1));
  }
  void number(std::string_view, int64_t& value, int64_t most) {
    // Short and long ones alike.
    value = rng_.below(std::min(most, int64_t{1} << rng_.below(41)) + 1);
  }
  void word(std::string_view, uint32_t& value) { value = static_cast<uint32_t>(rng_.next()); }

 private:
  Rng& rng_;
};

}  // namespace tercel::codec

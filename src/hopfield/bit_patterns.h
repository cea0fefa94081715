// Patterns of +1 and -1, one bit a unit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tercel::inline hopfield {

/// Rows of `bits` units. Unit i of a row is bit i % 64 of word i / 64: set for +1. Bits past the last unit are never
/// set, so that whole words may be compared.
class BitPatterns {
 public:
  BitPatterns() = default;
  /// All -1.
  explicit BitPatterns(int64_t bits, int64_t count = 0);

  /// +1 where a value is above 0; rows of `bits` values.
  static BitPatterns of_signs(std::span<const float> values, int64_t bits);

  /// From rows of row_bytes(bits) bytes: unit i is bit i % 8 of byte i / 8. Throws Error where the length does not fit
  /// or a bit past the last unit is set.
  static BitPatterns from_bytes(int64_t bits, std::span<const std::byte> bytes);
  std::vector<std::byte> to_bytes() const;
  static constexpr int64_t row_bytes(int64_t bits) { return (bits + 7) / 8; }
  static constexpr int64_t row_words(int64_t bits) { return (bits + 63) / 64; }

  int64_t bits() const { return bits_; }
  int64_t words() const { return words_; }  ///< of a row
  int64_t count() const { return count_; }

  const uint64_t* row(int64_t i) const { return data_.data() + i * words_; }
  uint64_t* row(int64_t i) { return data_.data() + i * words_; }
  std::span<const uint64_t> row_span(int64_t i) const { return {row(i), static_cast<size_t>(words_)}; }

  int sign(int64_t row_index, int64_t unit) const { return sign_of(row(row_index), unit); }
  static int sign_of(const uint64_t* row, int64_t unit) { return (row[unit / 64] >> (unit % 64) & 1) != 0 ? 1 : -1; }
  static void flip(uint64_t* row, int64_t unit) { row[unit / 64] ^= uint64_t{1} << (unit % 64); }

  void append(std::span<const uint64_t> row);
  BitPatterns selected(std::span<const int64_t> rows) const;
  /// Row i of the result holds unit i of every pattern.
  BitPatterns transposed() const;

  bool operator==(const BitPatterns&) const = default;

 private:
  int64_t bits_ = 0, words_ = 0, count_ = 0;
  std::vector<uint64_t> data_;
};

}  // namespace tercel::inline hopfield

#include "hopfield/bit_patterns.h"

#include "base/check.h"
#include "base/error.h"

namespace tercel::inline hopfield {

BitPatterns::BitPatterns(int64_t bits, int64_t count) : bits_(bits), words_(row_words(bits)), count_(count) {
  TERCEL_CHECK(bits > 0 && count >= 0);
  data_.resize(static_cast<size_t>(words_ * count));
}

BitPatterns BitPatterns::of_signs(std::span<const float> values, int64_t bits) {
  TERCEL_CHECK(bits > 0 && static_cast<int64_t>(values.size()) % bits == 0);
  BitPatterns patterns(bits, static_cast<int64_t>(values.size()) / bits);
  const float* value = values.data();
  for (int64_t r = 0; r < patterns.count_; ++r)
    for (int64_t i = 0; i < bits; ++i)
      if (*value++ > 0) patterns.row(r)[i / 64] |= uint64_t{1} << (i % 64);
  return patterns;
}

BitPatterns BitPatterns::from_bytes(int64_t bits, std::span<const std::byte> bytes) {
  if (bits <= 0) fail_input("patterns of {} bits: wanted at least one", bits);
  const auto stride = static_cast<size_t>(row_bytes(bits));
  if (bytes.size() % stride != 0)
    fail_input("{} bytes are no whole number of patterns of {} bits, {} bytes each", bytes.size(), bits, stride);
  BitPatterns patterns(bits, static_cast<int64_t>(bytes.size() / stride));
  for (int64_t r = 0; r < patterns.count_; ++r) {
    const std::byte* from = bytes.data() + static_cast<size_t>(r) * stride;
    for (size_t b = 0; b < stride; ++b) patterns.row(r)[b / 8] |= std::to_integer<uint64_t>(from[b]) << (b % 8 * 8);
    if (bits % 64 != 0 && patterns.row(r)[patterns.words_ - 1] >> (bits % 64) != 0)
      fail_input("pattern {} has bits set past its {} units", r, bits);
  }
  return patterns;
}

std::vector<std::byte> BitPatterns::to_bytes() const {
  const int64_t stride = row_bytes(bits_);
  std::vector<std::byte> bytes(static_cast<size_t>(count_ * stride));
  for (int64_t r = 0; r < count_; ++r)
    for (int64_t b = 0; b < stride; ++b)
      bytes[static_cast<size_t>(r * stride + b)] = static_cast<std::byte>(row(r)[b / 8] >> (b % 8 * 8));
  return bytes;
}

void BitPatterns::append(std::span<const uint64_t> row) {
  TERCEL_CHECK(static_cast<int64_t>(row.size()) == words_);
  data_.insert(data_.end(), row.begin(), row.end());
  ++count_;
}

BitPatterns BitPatterns::selected(std::span<const int64_t> rows) const {
  BitPatterns some(bits_);
  for (int64_t r : rows) some.append(row_span(r));
  return some;
}

BitPatterns BitPatterns::transposed() const {
  TERCEL_CHECK(count_ > 0);
  BitPatterns columns(count_, bits_);
  for (int64_t r = 0; r < count_; ++r)
    for (int64_t i = 0; i < bits_; ++i) columns.row(i)[r / 64] |= (row(r)[i / 64] >> (i % 64) & 1) << (r % 64);
  return columns;
}

}  // namespace tercel::inline hopfield

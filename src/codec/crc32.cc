#include "codec/crc32.h"

#include <array>
#include <bit>

#include "base/bits.h"

namespace tercel::codec {
namespace {

/// kTable[k][b]: what byte b does to the remainder when k more bytes follow, so that eight bytes need one step.
constexpr auto kTable = [] {
  std::array<std::array<uint32_t, 256>, 8> table{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t r = b;
    for (int bit = 0; bit < 8; ++bit) r = (r >> 1) ^ (0xEDB88320u & (0u - (r & 1)));
    table[0][b] = r;
  }
  for (size_t k = 1; k < 8; ++k)
    for (size_t b = 0; b < 256; ++b) table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xFF];
  return table;
}();

}  // namespace

uint32_t crc32(std::span<const std::byte> bytes, uint32_t seed) {
  static_assert(std::endian::native == std::endian::little);
  uint32_t r = ~seed;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    const uint64_t eight = load_unaligned<uint64_t>(bytes.data() + i) ^ r;
    r = 0;
    for (size_t k = 0; k < 8; ++k) r ^= kTable[7 - k][eight >> (8 * k) & 0xFF];
  }
  for (; i < bytes.size(); ++i) r = (r >> 8) ^ kTable[0][(r ^ static_cast<uint32_t>(bytes[i])) & 0xFF];
  return ~r;
}

}  // namespace tercel::codec

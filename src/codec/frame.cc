#include "codec/frame.h"

#include "codec/crc32.h"

namespace tercel::codec {
namespace {

uint32_t number_crc(int64_t number, uint32_t seed) {
  std::byte bytes[8];
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(static_cast<uint64_t>(number) >> (8 * i));
  return crc32(bytes, seed);
}

}  // namespace

uint32_t head_crc(std::span<const std::byte> head, const MatrixShape& shape) {
  uint32_t crc = crc32(head);
  for (int64_t number : {shape.rows, shape.columns, shape.kernel_height, shape.kernel_width})
    crc = number_crc(number, crc);
  crc = crc32(std::as_bytes(shape.column_class), crc);
  return shape.trellis ? number_crc(1, crc) : crc;
}

uint32_t chunk_crc(uint32_t head, int64_t index, std::span<const std::byte> bytes) {
  return crc32(bytes, number_crc(index, head));
}

uint32_t bytes_crc(size_t size, BytesMode mode, std::span<const std::byte> coded) {
  const std::byte mode_byte[] = {static_cast<std::byte>(mode)};
  return crc32(coded, crc32(mode_byte, number_crc(static_cast<int64_t>(size), 0)));
}

}  // namespace tercel::codec

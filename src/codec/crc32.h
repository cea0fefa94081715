// CRC-32 as in zlib and PNG (ISO 3309): polynomial 0xEDB88320, reflected, all ones before and after.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tercel::codec {

/// Of `bytes` after data whose CRC is `seed`: crc32(b, crc32(a)) is the CRC of a followed by b.
uint32_t crc32(std::span<const std::byte> bytes, uint32_t seed = 0);

}  // namespace tercel::codec

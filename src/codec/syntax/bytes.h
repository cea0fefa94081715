// The frame of a stream of general bytes. docs/format.md has it in words.
#pragma once

#include <cstdint>

namespace tercel::codec {

/// `raw`: the bytes themselves. `rans`: the length of the frequencies' code, that code, then rANS of `lanes` states.
enum class BytesMode : uint8_t { raw, rans };

struct BytesHead {
  BytesMode mode = BytesMode::raw;
  uint32_t crc = 0;  ///< of the number of bytes coded (8 bytes, least significant first), the mode, and what follows
};

template <typename Visitor>
void visit_bytes_head(Visitor& visit, BytesHead& head) {
  visit.byte("mode", head.mode, static_cast<uint8_t>(BytesMode::rans));
  visit.word("checksum", head.crc);
}

/// States that take turns: few for few bytes, which they cost 4 bytes each.
inline size_t bytes_lanes(size_t size) { return size < 1024 ? 1 : size < 16384 ? 4 : 32; }

}  // namespace tercel::codec

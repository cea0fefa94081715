// The frame of a stream of levels. docs/format.md has it in words.
#pragma once

#include <string_view>
#include <vector>

#include "codec/codec.h"

namespace tercel::codec {

inline constexpr uint8_t kStreamVersion = 1;

/// What stands before the chunk table.
struct StreamHead {
  uint8_t version = kStreamVersion;
  Profile profile = Profile::max;
  int64_t chunk_weights = 1;
};

template <typename Visitor>
void visit_head(Visitor& visit, StreamHead& head) {
  visit.byte("version", head.version, kStreamVersion);
  visit.byte("profile", head.profile, static_cast<uint8_t>(Profile::fast));
  visit.number("chunk size", head.chunk_weights, int64_t{1} << 40);
}

/// One line of the chunk table: the chunks' bytes follow each other behind it.
struct ChunkEntry {
  int64_t bytes = 0;
  uint32_t crc = 0;
};

template <typename Visitor>
void visit_entry(Visitor& visit, ChunkEntry& entry, int64_t most_bytes) {
  visit.number("chunk length", entry.bytes, most_bytes);
  visit.word("chunk checksum", entry.crc);
}

}  // namespace tercel::codec

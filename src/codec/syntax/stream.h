// The frame of a stream of levels. docs/format.md has it in words.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "codec/codec.h"

namespace tercel::codec {

/// What the chunks are coded with. Numbers are never used again for something else: a later version takes new ones.
enum class Format : uint8_t { max, balanced, fast, raw };

/// What stands first.
struct StreamHead {
  Format format = Format::max;
  bool pruned = false;        ///< rows and kernels of zeros are not coded (codec/live.h)
  int64_t chunk_weights = 0;  ///< 0: one chunk
  int64_t live_bytes = 0;     ///< if pruned: of the code that says which, which comes next
};

template <typename Visitor>
void visit_head(Visitor& visit, StreamHead& head) {
  constexpr uint8_t kPruned = 4;
  auto format = static_cast<uint8_t>(static_cast<uint8_t>(head.format) | (head.pruned ? kPruned : 0));
  visit.byte("format", format, kPruned | static_cast<uint8_t>(Format::raw));
  head.format = static_cast<Format>(format & (kPruned - 1));
  head.pruned = (format & kPruned) != 0;
  visit.number("chunk size", head.chunk_weights, int64_t{1} << 40);
  if (head.pruned) visit.number("length of what is live", head.live_bytes, int64_t{1} << 40);
}

/// Of `raw`, behind the head: bytes per level, 1, 2 or 4; levels in two's complement, least significant byte first.
template <typename Visitor>
void visit_raw(Visitor& visit, uint8_t& width) {
  visit.byte("level width", width, 4);
}

/// Of the `max` profile, behind the head.
template <typename Visitor>
void visit_start(Visitor& visit, LevelStart& start, bool has_kernel) {
  int64_t mean = start.mean;
  visit.number("mean magnitude", mean, LevelStart::kMostMean);
  start.mean = static_cast<uint32_t>(std::max<int64_t>(mean, 1));
  if (!has_kernel) return;
  for (int8_t& weight : start.weights) {
    auto bits = static_cast<uint8_t>(weight);
    visit.byte("kernel weight", bits, 255);
    weight = static_cast<int8_t>(bits);
  }
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

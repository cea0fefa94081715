// The frame of a stream of levels. docs/format.md has it in words.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "codec/codec.h"

namespace tercel::codec {

/// What the chunks are coded with. Numbers are never used again for something else: a later version takes new ones.
enum class Format : uint8_t { max, balanced, fast, raw };

/// The first fields.
struct StreamHead {
  Format format = Format::max;
  bool pruned = false;        ///< all-zero rows and kernels are skipped (codec/significance.h)
  int64_t chunk_weights = 0;  ///< 0: one chunk
  int64_t map_bytes = 0;      ///< if pruned: of the significance map, which comes next
};

template <typename Visitor>
void visit_head(Visitor& visit, StreamHead& head) {
  constexpr uint8_t kPruned = 4;
  auto format = static_cast<uint8_t>(static_cast<uint8_t>(head.format) | (head.pruned ? kPruned : 0));
  visit.byte("format", format, kPruned | static_cast<uint8_t>(Format::raw));
  head.format = static_cast<Format>(format & (kPruned - 1));
  head.pruned = (format & kPruned) != 0;
  visit.number("chunk size", head.chunk_weights, int64_t{1} << 40);
  if (head.pruned) visit.number("length of the significance map", head.map_bytes, int64_t{1} << 40);
}

/// Of `raw`, behind the head: bytes per level, 1, 2 or 4; levels in two's complement, least significant byte first.
template <typename Visitor>
void visit_raw(Visitor& visit, uint8_t& width) {
  visit.byte("level width", width, 4);
}

/// Of the profiles `max` and `balanced`, behind the head.
template <typename Visitor>
void visit_context_init(Visitor& visit, ContextInit& init, bool has_kernel) {
  int64_t mean = init.mean;
  visit.number("mean magnitude", mean, ContextInit::kMostMean);
  init.mean = static_cast<uint32_t>(std::max<int64_t>(mean, 1));
  if (!has_kernel) return;
  for (int8_t& weight : init.weights) {
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

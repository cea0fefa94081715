#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "codec/cabac/enc_range.h"
#include "codec/chunks.h"
#include "codec/codec.h"
#include "codec/frame.h"
#include "codec/level_encoder.h"
#include "codec/rans/levels.h"
#include "codec/significance.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {

std::string_view to_string(Profile profile) {
  switch (profile) {
    case Profile::max: return "max";
    case Profile::balanced: return "balanced";
    case Profile::fast: return "fast";
  }
  return "?";
}

namespace {

/// The levels that are coded: all of a matrix, or those in the non-zero rows and kernels.
struct Levels {
  std::span<const int32_t> levels;
  const MatrixShape& shape;
  const MatrixShape& whole;          ///< what the reader knows
  const std::string* map = nullptr;  ///< the coded significance map; nullptr: not pruned
};

/// One stream in the encoder's format.
std::string framed(const LevelEncoder& encoder, Format format, const Levels& levels, const EncodeOptions& options) {
  const int64_t elements = levels.shape.rows * levels.shape.columns;
  StreamHead head{format, levels.map != nullptr, options.chunk_weights < elements ? options.chunk_weights : 0,
                  levels.map != nullptr ? static_cast<int64_t>(levels.map->size()) : 0};
  std::string out;
  FieldWriter write(out);
  visit_head(write, head);
  if (levels.map != nullptr) out += *levels.map;
  encoder.fields(out);
  const uint32_t seed = head_crc(std::as_bytes(std::span(out)), levels.whole);

  const ChunkGrid grid(levels.shape, head.chunk_weights);
  std::vector<std::string> chunks(static_cast<size_t>(grid.count()));
  const ThreadScope scope(options.threads);
  parallel_for(grid.count(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) encoder.chunk(grid[i], chunks[static_cast<size_t>(i)]);
  });
  for (int64_t i = 0; i < grid.count(); ++i) {
    const std::string& bytes = chunks[static_cast<size_t>(i)];
    ChunkEntry entry{static_cast<int64_t>(bytes.size()), chunk_crc(seed, i, std::as_bytes(std::span(bytes)))};
    visit_entry(write, entry, entry.bytes);
  }
  for (const std::string& bytes : chunks) out += bytes;
  return out;
}

std::string smallest(const Levels& levels, const EncodeOptions& options) {
  const auto& values = levels.levels;
  const MatrixShape& shape = levels.shape;
  std::string best;
  switch (options.profile) {
    case Profile::max: best = framed(*max_encoder(values, shape), Format::max, levels, options); break;
    case Profile::balanced: best = framed(*balanced_encoder(values, shape), Format::balanced, levels, options); break;
    case Profile::fast: best = framed(*fast_encoder(values, shape), Format::fast, levels, options); break;
  }
  if (options.profile == Profile::fast && options.small_with_balanced &&
      static_cast<int64_t>(values.size()) < kWideSymbols) {
    std::string balanced = framed(*balanced_encoder(values, shape), Format::balanced, levels, options);
    if (balanced.size() + balanced.size() / 50 < best.size()) best = std::move(balanced);
  }
  // Plain integers only where they could be smaller: a byte per level is the least they take.
  if (best.size() > values.size()) {
    std::string plain = framed(*raw_encoder(values, shape), Format::raw, levels, options);
    if (plain.size() < best.size()) return plain;
  }
  return best;
}

}  // namespace

std::string encode(std::span<const int32_t> levels, const MatrixShape& shape, const EncodeOptions& options) {
  const int64_t elements = check_shape(shape);
  if (static_cast<int64_t>(levels.size()) != elements)
    fail_input("{} levels for a {}x{} matrix", levels.size(), shape.rows, shape.columns);
  if (options.chunk_weights < 1) fail_input("chunks of {} weights", options.chunk_weights);
  for (size_t i = 0; i < levels.size(); ++i)
    if (levels[i] > kMaxLevel || levels[i] < -kMaxLevel)
      fail_input("level {} at {} is past +-{}", levels[i], i, kMaxLevel);
  if (elements == 0) return {};
  std::string whole = smallest({levels, shape, shape}, options);
  if (shape.trellis) return whole;  // zeros advance its state too
  const SignificanceMap significance = SignificanceMap::of(levels, shape);
  if (significance.all(shape)) return whole;
  std::string map;
  RangeEncoder bins(map);
  visit_significance(bins, shape, significance);
  bins.finish();
  std::vector<uint8_t> classes;
  const MatrixShape coded_shape = significance.shape(shape, classes);
  const std::vector<int32_t> coded_levels = significance.gather(levels, shape);
  std::string pruned = smallest({coded_levels, coded_shape, shape, &map}, options);
  const bool accepted = elements / static_cast<int64_t>(pruned.size()) < kMostLevelsPerByte;
  return pruned.size() < whole.size() && accepted ? pruned : whole;
}

}  // namespace tercel::codec

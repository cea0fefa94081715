#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "codec/chunks.h"
#include "codec/codec.h"
#include "codec/frame.h"
#include "codec/level_encoder.h"
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

/// One stream in the encoder's format.
std::string framed(const LevelEncoder& encoder, Format format, const MatrixShape& shape, const EncodeOptions& options) {
  const int64_t elements = shape.rows * shape.columns;
  StreamHead head{format, options.chunk_weights < elements ? options.chunk_weights : 0};
  std::string out;
  FieldWriter write(out);
  visit_head(write, head);
  encoder.fields(out);
  const uint32_t seed = head_crc(std::as_bytes(std::span(out)), shape);

  const ChunkGrid grid(shape, head.chunk_weights);
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
  std::string best;
  switch (options.profile) {
    case Profile::max: best = framed(*max_encoder(levels, shape), Format::max, shape, options); break;
    case Profile::balanced: best = framed(*balanced_encoder(levels, shape), Format::balanced, shape, options); break;
    case Profile::fast: best = framed(*fast_encoder(levels, shape), Format::fast, shape, options); break;
  }
  // Plain integers only where they could be smaller: a byte per level is the least they take.
  if (best.size() > levels.size()) {
    std::string plain = framed(*raw_encoder(levels, shape), Format::raw, shape, options);
    if (plain.size() < best.size()) return plain;
  }
  return best;
}

}  // namespace tercel::codec

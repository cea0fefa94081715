#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "codec/cabac/enc_chunk.h"
#include "codec/chunks.h"
#include "codec/codec.h"
#include "codec/frame.h"
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

std::string encode(std::span<const int32_t> levels, const MatrixShape& shape, const EncodeOptions& options) {
  const int64_t elements = check_shape(shape);
  if (static_cast<int64_t>(levels.size()) != elements)
    fail_input("{} levels for a {}x{} matrix", levels.size(), shape.rows, shape.columns);
  if (options.chunk_weights < 1) fail_input("chunks of {} weights", options.chunk_weights);
  for (size_t i = 0; i < levels.size(); ++i)
    if (levels[i] > kMaxLevel || levels[i] < -kMaxLevel)
      fail_input("level {} at {} is past +-{}", levels[i], i, kMaxLevel);
  if (options.profile != Profile::max) fail_unsupported("profile {}", to_string(options.profile));

  StreamHead head;
  head.profile = options.profile;
  head.chunk_weights = std::min(options.chunk_weights, std::max<int64_t>(1, elements));
  std::string out;
  FieldWriter write(out);
  visit_head(write, head);
  const uint32_t seed = head_crc(std::as_bytes(std::span(out)), shape);

  const ChunkGrid grid(shape, head.chunk_weights);
  std::vector<std::string> chunks(static_cast<size_t>(grid.count()));
  const ThreadScope scope(options.threads);
  parallel_for(grid.count(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) encode_cabac(levels, shape, grid[i], chunks[static_cast<size_t>(i)]);
  });

  for (int64_t i = 0; i < grid.count(); ++i) {
    const std::string& bytes = chunks[static_cast<size_t>(i)];
    ChunkEntry entry{static_cast<int64_t>(bytes.size()), chunk_crc(seed, i, std::as_bytes(std::span(bytes)))};
    visit_entry(write, entry, entry.bytes);
  }
  for (const std::string& bytes : chunks) out += bytes;
  return out;
}

}  // namespace tercel::codec

// Decoding to levels.
#include <algorithm>

#include "codec/level_stream.h"

namespace tercel::codec {

void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<int32_t> levels, int threads) {
  decode_rows(bytes, shape, 0, shape.rows, levels, threads);
}

void decode_rows(std::span<const std::byte> bytes, const MatrixShape& shape, int64_t first, int64_t count,
                 std::span<int32_t> levels, int threads) {
  const LevelStream stream(bytes, shape);
  if (first < 0 || count < 0 || first > shape.rows - count)
    fail_input("rows {} to {} of {}", first, first + count, shape.rows);
  check_size(levels.size(), count, shape.columns);
  if (levels.empty()) return;
  const ChunkGrid& grid = stream.grid();
  // Rows as the stream counts them.
  int64_t begin = first, end = first + count;
  if (stream.pruned()) {
    std::fill(levels.begin(), levels.end(), 0);
    const std::vector<int64_t>& rows = stream.significance().rows;
    begin = std::lower_bound(rows.begin(), rows.end(), begin) - rows.begin();
    end = std::lower_bound(rows.begin(), rows.end(), end) - rows.begin();
    if (begin == end) return;
  }
  const auto element = [&](int64_t row, int64_t column) {
    return levels.data() + (row - first) * shape.columns + column;
  };
  stream.decode<int32_t>(
      grid.first_of_row(begin), grid.end_of_row(end - 1), threads,
      [&](const Chunk& chunk) -> OutputBuffer<int32_t> {
        if (!stream.pruned() && chunk.row >= begin && chunk.row + chunk.rows <= end)
          return {element(chunk.row, chunk.column), shape.columns};
        return temporary_buffer<int32_t>(chunk);
      },
      [&](const Chunk& chunk, const OutputBuffer<int32_t>& buffer) {
        if (buffer.own.empty()) return;
        for (int64_t r = std::max(begin, chunk.row); r < std::min(end, chunk.row + chunk.rows); ++r) {
          const int32_t* row = buffer.dst + (r - chunk.row) * buffer.stride;
          for (int64_t c = 0; c < chunk.columns; ++c)
            *element(stream.row_of(r), stream.column_of(chunk.column + c)) = row[c];
        }
      });
}

void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<int8_t> levels, int threads) {
  const LevelStream stream(bytes, shape);
  check_size(levels.size(), shape.rows, shape.columns);
  decode_through<int32_t>(stream, shape, levels, threads, [](size_t row) {
    return [row](int32_t level, size_t column) {
      if (level < -127 || level > 127)
        fail_input("level {} in row {}, column {} does not fit a byte", level, row, column);
      return static_cast<int8_t>(level);
    };
  });
}

void check(std::span<const std::byte> bytes, const MatrixShape& shape) { LevelStream(bytes, shape).check(); }

}  // namespace tercel::codec

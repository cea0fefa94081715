// Decoding to dequantized weights: levels times scales.
#include <algorithm>

#include "codec/level_stream.h"
#include "codec/trellis.h"

namespace tercel::codec {
namespace {

/// dst *= row * columns, element by element; empty columns are 1.
void scale_row(std::span<float> dst, float row, std::span<const float> columns) {
  if (columns.empty()) {
    for (float& value : dst) value *= row;
    return;
  }
  for (size_t i = 0; i < dst.size(); ++i) dst[i] = dst[i] * row * columns[i];
}

struct Scales {
  std::span<const float> row, column;

  Scales(const MatrixShape& shape, std::span<const float> row_scale, std::span<const float> column_scale)
      : row(row_scale), column(column_scale) {
    if (!row.empty() && static_cast<int64_t>(row.size()) != shape.rows)
      fail_input("{} row scales for {} rows", row.size(), shape.rows);
    if (!column.empty() && static_cast<int64_t>(column.size()) != shape.columns)
      fail_input("{} column scales for {} columns", column.size(), shape.columns);
  }
  float of_row(size_t r) const { return row.empty() ? 1.0f : row[r]; }
  float of_column(size_t c) const { return column.empty() ? 1.0f : column[c]; }
};

/// Dequantized levels, as To, for any stream.
template <typename To>
void decode_scaled(const LevelStream& stream, const MatrixShape& shape, const Scales& scales, std::span<To> dst,
                   int threads) {
  if (shape.trellis) {  // whose chunks are whole rows
    decode_through<int32_t>(stream, shape, dst, threads, [&](size_t row) {
      return [&scales, scale = scales.of_row(row), trellis = TrellisState()](int32_t level, size_t column) mutable {
        const float steps = dequantize_level(level, trellis.quantizer());
        trellis.advance(level);
        return To(steps * scale * scales.of_column(column));
      };
    });
    return;
  }
  decode_through<float>(stream, shape, dst, threads, [&](size_t row) {
    return [&scales, scale = scales.of_row(row)](float level, size_t column) {
      return To(level * scale * scales.of_column(column));
    };
  });
}

}  // namespace

void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<const float> row_scale,
            std::span<const float> column_scale, std::span<float> dst, int threads) {
  const LevelStream stream(bytes, shape);
  check_size(dst.size(), shape.rows, shape.columns);
  const Scales scales(shape, row_scale, column_scale);
  if (stream.pruned() || shape.trellis) {
    decode_scaled(stream, shape, scales, dst, threads);
    return;
  }
  stream.decode<float>(
      0, stream.grid().count(), threads,
      [&](const Chunk& chunk) -> OutputBuffer<float> {
        return {dst.data() + chunk.row * shape.columns + chunk.column, shape.columns};
      },
      [&](const Chunk& chunk, const OutputBuffer<float>& buffer) {
        if (row_scale.empty() && column_scale.empty()) return;
        // The chunk is still in the cache.
        const auto columns = column_scale.empty() ? column_scale
                                                  : column_scale.subspan(static_cast<size_t>(chunk.column),
                                                                         static_cast<size_t>(chunk.columns));
        for (int64_t r = 0; r < chunk.rows; ++r)
          scale_row(std::span(buffer.dst + r * buffer.stride, static_cast<size_t>(chunk.columns)),
                    scales.of_row(static_cast<size_t>(chunk.row + r)), columns);
      });
}

void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<const float> row_scale,
            std::span<const float> column_scale, std::span<BFloat16> dst, int threads) {
  const LevelStream stream(bytes, shape);
  check_size(dst.size(), shape.rows, shape.columns);
  decode_scaled(stream, shape, Scales(shape, row_scale, column_scale), dst, threads);
}

}  // namespace tercel::codec

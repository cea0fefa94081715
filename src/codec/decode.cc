#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "codec/chunks.h"
#include "codec/codec.h"
#include "codec/frame.h"
#include "codec/level_decoder.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {
namespace {

/// A stream whose frame has been read and whose lengths add up; its chunks are checked one by one.
class Stream {
 public:
  Stream(std::span<const std::byte> bytes, const MatrixShape& shape) {
    check_shape(shape);
    if (shape.rows * shape.columns == 0) {
      if (!bytes.empty()) fail_input("{} bytes for no levels", bytes.size());
      return;
    }
    FieldReader read(bytes);
    StreamHead head;
    visit_head(read, head);
    switch (head.format) {
      case Format::max: decoder_ = max_decoder(read, shape); break;
      case Format::balanced: decoder_ = balanced_decoder(read, shape); break;
      case Format::fast: decoder_ = fast_decoder(read, shape); break;
      case Format::raw: decoder_ = raw_decoder(read, shape); break;
    }
    seed_ = head_crc(bytes.first(bytes.size() - read.rest().size()), shape);
    grid_ = ChunkGrid(shape, head.chunk_weights);
    // Each chunk has at least a length and a checksum.
    if (grid_.count() > static_cast<int64_t>(read.rest().size() / 5))
      fail_input("{} chunks cannot stand in {} bytes", grid_.count(), read.rest().size());
    entries_.resize(static_cast<size_t>(grid_.count()));
    for (size_t i = 0; i < entries_.size(); ++i) {
      at_place([&] { return place(static_cast<int64_t>(i)); },
               [&] { visit_entry(read, entries_[i], static_cast<int64_t>(bytes.size())); });
    }
    chunks_.reserve(entries_.size());
    for (size_t i = 0; i < entries_.size(); ++i)
      chunks_.push_back(at_place([&] { return place(static_cast<int64_t>(i)); },
                                 [&] { return read.take(entries_[i].bytes, "its body"); }));
    if (!read.rest().empty()) fail_input("{} bytes behind the last of {} chunks", read.rest().size(), grid_.count());
  }

  const ChunkGrid& grid() const { return grid_; }

  /// body(decoder, chunk, bytes) for chunks [first, last), checksums compared first. The first chunk that fails is
  /// reported.
  template <typename Body>
  void for_chunks(int64_t first, int64_t last, int threads, Body&& body) const {
    std::vector<std::exception_ptr> failures(static_cast<size_t>(last - first));
    const ThreadScope scope(threads);
    parallel_for(last - first, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        try {
          at_place([&] { return place(first + i); },
                   [&] { body(*decoder_, grid_[first + i], checked_bytes(first + i)); });
        } catch (...) {
          failures[static_cast<size_t>(i)] = std::current_exception();
        }
      }
    });
    for (const std::exception_ptr& failure : failures)
      if (failure) std::rethrow_exception(failure);
  }

 private:
  std::string place(int64_t index) const { return fmt::format("chunk {} of {}", index + 1, grid_.count()); }

  std::span<const std::byte> checked_bytes(int64_t index) const {
    const auto i = static_cast<size_t>(index);
    if (chunk_crc(seed_, index, chunks_[i]) != entries_[i].crc)
      fail_input("its checksum does not match: damaged, or coded for another shape");
    return chunks_[i];
  }

  std::unique_ptr<LevelDecoder> decoder_;
  uint32_t seed_ = 0;
  ChunkGrid grid_{MatrixShape{}, 1};
  std::vector<ChunkEntry> entries_;
  std::vector<std::span<const std::byte>> chunks_;
};

void check_size(size_t got, int64_t rows, int64_t columns) {
  if (static_cast<int64_t>(got) != rows * columns)
    fail_input("room for {} levels of a {}x{} matrix", got, rows, columns);
}

/// dst *= row * columns, element by element; empty columns are 1.
void scale_row(std::span<float> dst, float row, std::span<const float> columns) {
  if (columns.empty()) {
    for (float& value : dst) value *= row;
    return;
  }
  for (size_t i = 0; i < dst.size(); ++i) dst[i] = dst[i] * row * columns[i];
}

}  // namespace

void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<int32_t> levels, int threads) {
  decode_rows(bytes, shape, 0, shape.rows, levels, threads);
}

void decode_rows(std::span<const std::byte> bytes, const MatrixShape& shape, int64_t first, int64_t count,
                 std::span<int32_t> levels, int threads) {
  const Stream stream(bytes, shape);
  if (first < 0 || count < 0 || first > shape.rows - count)
    fail_input("rows {} to {} of {}", first, first + count, shape.rows);
  check_size(levels.size(), count, shape.columns);
  if (levels.empty()) return;
  const ChunkGrid& grid = stream.grid();
  stream.for_chunks(grid.first_of_row(first), grid.end_of_row(first + count - 1), threads,
                    [&](const LevelDecoder& decoder, const Chunk& chunk, std::span<const std::byte> coded) {
                      if (chunk.row >= first && chunk.row + chunk.rows <= first + count) {
                        int32_t* dst = levels.data() + (chunk.row - first) * shape.columns + chunk.column;
                        return decoder.decode(coded, chunk, dst, shape.columns);
                      }
                      // Some of the chunk's rows are not wanted.
                      std::vector<int32_t> own(static_cast<size_t>(chunk.rows * chunk.columns));
                      decoder.decode(coded, chunk, own.data(), chunk.columns);
                      for (int64_t r = std::max(first, chunk.row); r < std::min(first + count, chunk.row + chunk.rows);
                           ++r)
                        std::copy_n(own.data() + (r - chunk.row) * chunk.columns, chunk.columns,
                                    levels.data() + (r - first) * shape.columns + chunk.column);
                    });
}

void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<const float> row_scale,
            std::span<const float> column_scale, std::span<float> dst, int threads) {
  const Stream stream(bytes, shape);
  check_size(dst.size(), shape.rows, shape.columns);
  if (!row_scale.empty() && static_cast<int64_t>(row_scale.size()) != shape.rows)
    fail_input("{} row scales for {} rows", row_scale.size(), shape.rows);
  if (!column_scale.empty() && static_cast<int64_t>(column_scale.size()) != shape.columns)
    fail_input("{} column scales for {} columns", column_scale.size(), shape.columns);
  if (dst.empty()) return;
  stream.for_chunks(0, stream.grid().count(), threads,
                    [&](const LevelDecoder& decoder, const Chunk& chunk, std::span<const std::byte> coded) {
                      float* first = dst.data() + chunk.row * shape.columns + chunk.column;
                      decoder.decode(coded, chunk, first, shape.columns);
                      if (row_scale.empty() && column_scale.empty()) return;
                      // The chunk is still in the cache.
                      const auto columns = column_scale.empty()
                                               ? column_scale
                                               : column_scale.subspan(static_cast<size_t>(chunk.column),
                                                                      static_cast<size_t>(chunk.columns));
                      for (int64_t r = 0; r < chunk.rows; ++r)
                        scale_row(std::span(first + r * shape.columns, static_cast<size_t>(chunk.columns)),
                                  row_scale.empty() ? 1.0f : row_scale[static_cast<size_t>(chunk.row + r)], columns);
                    });
}

void LevelDecoder::decode(std::span<const std::byte> bytes, const Chunk& chunk, float* dst, int64_t stride) const {
  std::vector<int32_t> levels(static_cast<size_t>(chunk.rows * chunk.columns));
  decode(bytes, chunk, levels.data(), chunk.columns);
  for (int64_t r = 0; r < chunk.rows; ++r)
    for (int64_t c = 0; c < chunk.columns; ++c)
      dst[r * stride + c] = static_cast<float>(levels[static_cast<size_t>(r * chunk.columns + c)]);
}

}  // namespace tercel::codec

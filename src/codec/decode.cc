#include <algorithm>
#include <exception>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "codec/cabac/dec_chunk.h"
#include "codec/chunks.h"
#include "codec/codec.h"
#include "codec/frame.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {
namespace {

/// A stream whose frame has been read and whose lengths add up; its chunks are checked one by one.
class Stream {
 public:
  Stream(std::span<const std::byte> bytes, const MatrixShape& shape) {
    check_shape(shape);
    FieldReader read(bytes);
    visit_head(read, head_);
    if (head_.version != kStreamVersion) fail_unsupported("stream version {}", head_.version);
    if (head_.chunk_weights < 1) fail_input("chunks of 0 weights");
    if (head_.profile != Profile::max) fail_unsupported("profile {}", to_string(head_.profile));
    seed_ = head_crc(bytes.first(bytes.size() - read.rest().size()), shape);
    grid_ = ChunkGrid(shape, head_.chunk_weights);
    // Each chunk has at least a length and a checksum.
    if (grid_.count() > static_cast<int64_t>(read.rest().size() / 5))
      fail_input("{} chunks cannot stand in {} bytes", grid_.count(), read.rest().size());
    entries_.resize(static_cast<size_t>(grid_.count()));
    for (size_t i = 0; i < entries_.size(); ++i) {
      at_place([&] { return place(static_cast<int64_t>(i)); },
               [&] { visit_entry(read, entries_[i], static_cast<int64_t>(bytes.size())); });
    }
    std::span<const std::byte> rest = read.rest();
    chunks_.reserve(entries_.size());
    for (size_t i = 0; i < entries_.size(); ++i) {
      const auto length = static_cast<size_t>(entries_[i].bytes);
      if (length > rest.size())
        fail_input("{}: {} bytes, but {} are left", place(static_cast<int64_t>(i)), length, rest.size());
      chunks_.push_back(rest.first(length));
      rest = rest.subspan(length);
    }
    if (!rest.empty()) fail_input("{} bytes behind the last of {} chunks", rest.size(), grid_.count());
  }

  const ChunkGrid& grid() const { return grid_; }

  /// body(chunk, bytes) for chunks [first, last), checksums compared first. The first chunk that fails is reported.
  template <typename Body>
  void for_chunks(int64_t first, int64_t last, int threads, Body&& body) const {
    std::vector<std::exception_ptr> failures(static_cast<size_t>(last - first));
    const ThreadScope scope(threads);
    parallel_for(last - first, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        try {
          at_place([&] { return place(first + i); }, [&] { body(grid_[first + i], checked_bytes(first + i)); });
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

  StreamHead head_;
  uint32_t seed_ = 0;
  ChunkGrid grid_{MatrixShape{}, 1};
  std::vector<ChunkEntry> entries_;
  std::vector<std::span<const std::byte>> chunks_;
};

void check_size(size_t got, int64_t rows, int64_t columns) {
  if (static_cast<int64_t>(got) != rows * columns)
    fail_input("room for {} levels of a {}x{} matrix", got, rows, columns);
}

float scale_at(std::span<const float> scale, int64_t index) {
  return scale.empty() ? 1.0f : scale[static_cast<size_t>(index)];
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
                    [&](const Chunk& chunk, std::span<const std::byte> coded) {
                      std::vector<int32_t> own;
                      int32_t* dst = levels.data() + (chunk.row - first) * shape.columns + chunk.column;
                      if (chunk.row >= first && chunk.row + chunk.rows <= first + count)
                        return decode_cabac(coded, shape, chunk, dst, shape.columns);
                      // Some of the chunk's rows are not wanted.
                      own.resize(static_cast<size_t>(chunk.rows * chunk.columns));
                      decode_cabac(coded, shape, chunk, own.data(), chunk.columns);
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
  stream.for_chunks(0, stream.grid().count(), threads, [&](const Chunk& chunk, std::span<const std::byte> coded) {
    std::vector<int32_t> levels(static_cast<size_t>(chunk.rows * chunk.columns));
    decode_cabac(coded, shape, chunk, levels.data(), chunk.columns);
    for (int64_t r = 0; r < chunk.rows; ++r) {
      const int32_t* src = levels.data() + r * chunk.columns;
      float* to = dst.data() + (chunk.row + r) * shape.columns + chunk.column;
      const float row = scale_at(row_scale, chunk.row + r);
      for (int64_t c = 0; c < chunk.columns; ++c)
        to[c] = static_cast<float>(src[c]) * row * scale_at(column_scale, chunk.column + c);
    }
  });
}

}  // namespace tercel::codec

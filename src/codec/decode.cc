#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "codec/cabac/dec_range.h"
#include "codec/chunks.h"
#include "codec/codec.h"
#include "codec/frame.h"
#include "codec/level_decoder.h"
#include "codec/live.h"
#include "codec/syntax/fields.h"
#include "codec/trellis.h"

namespace tercel::codec {
namespace {

/// Where a chunk's levels go; `own` holds those of a chunk that is wanted in part only.
template <typename T>
struct Room {
  T* dst = nullptr;
  int64_t stride = 0;
  std::vector<T> own{};
};

template <typename T>
Room<T> room_of_its_own(const Chunk& chunk) {
  std::vector<T> own(static_cast<size_t>(chunk.rows * chunk.columns));
  T* dst = own.data();
  return {dst, chunk.columns, std::move(own)};
}

/// A stream whose frame has been read and whose lengths add up; its chunks are checked one by one.
class Stream {
 public:
  Stream(std::span<const std::byte> bytes, const MatrixShape& shape) : shape_(shape) {
    check_shape(shape);
    if (shape.rows * shape.columns == 0) {
      if (!bytes.empty()) fail_input("{} bytes for no levels", bytes.size());
      return;
    }
    FieldReader read(bytes);
    StreamHead head;
    visit_head(read, head);
    if (head.pruned) {
      if (shape.trellis) fail_input("a pruned stream has no trellis");
      RangeDecoder bins(read.take(head.live_bytes, "what is live"));
      live_ = visit_live(bins, shape);
      if (live_.rows.empty() || live_.columns.empty()) fail_input("nothing of it is live");
      shape_ = live_.shape(shape, classes_);
    }
    switch (head.format) {
      case Format::max: decoder_ = max_decoder(read, shape_); break;
      case Format::balanced: decoder_ = balanced_decoder(read, shape_); break;
      case Format::fast: decoder_ = fast_decoder(read, shape_); break;
      case Format::raw: decoder_ = raw_decoder(read, shape_); break;
    }
    seed_ = head_crc(bytes.first(bytes.size() - read.rest().size()), shape);
    grid_ = ChunkGrid(shape_, head.chunk_weights);
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

  Stream(const Stream&) = delete;  // decoders refer to the shape
  Stream& operator=(const Stream&) = delete;

  /// Of what is coded: rows and columns of chunks count live ones, where the stream is pruned.
  const ChunkGrid& grid() const { return grid_; }
  bool pruned() const { return !live_.rows.empty(); }
  const Live& live() const { return live_; }
  int64_t row_of(int64_t coded) const { return pruned() ? live_.rows[static_cast<size_t>(coded)] : coded; }
  int64_t column_of(int64_t coded) const { return pruned() ? live_.columns[static_cast<size_t>(coded)] : coded; }

  /// Throws for the first chunk whose checksum is wrong.
  void check() const {
    for (int64_t i = 0; i < grid_.count(); ++i) at_place([&] { return place(i); }, [&] { checked_bytes(i); });
  }

  /// Decodes chunks [first, last) to where room_of(chunk) tells, then calls done(chunk, room). Of chunks that fail the
  /// first is reported.
  template <typename T, typename RoomOf, typename Done>
  void decode(int64_t first, int64_t last, int threads, RoomOf&& room_of, Done&& done) const {
    std::vector<std::exception_ptr> failures(static_cast<size_t>(last - first));
    const auto pass = [&](int64_t index, auto&& step) {
      try {
        at_place([&] { return place(index); }, step);
        return true;
      } catch (...) {
        failures[static_cast<size_t>(index - first)] = std::current_exception();
        return false;
      }
    };
    const ThreadScope scope(threads);
    parallel_for(last - first, 2, [&](int64_t begin, int64_t end) {
      for (int64_t i = first + begin; i < first + end; i += 2) {
        const auto count = static_cast<size_t>(std::min<int64_t>(2, first + end - i));
        std::array<Room<T>, 2> rooms;
        std::array<CodedChunk<T>, 2> coded{};
        std::array good{true, true};
        const auto pass_each = [&](auto&& step) {
          for (size_t k = 0; k < count; ++k) good[k] = good[k] && pass(i + static_cast<int64_t>(k), [&] { step(k); });
        };
        pass_each([&](size_t k) {
          const int64_t index = i + static_cast<int64_t>(k);
          const std::span<const std::byte> bytes = checked_bytes(index);
          rooms[k] = room_of(grid_[index]);
          coded[k] = {bytes, grid_[index], rooms[k].dst, rooms[k].stride};
        });
        const bool paired =
            count == 2 && good[0] && good[1] && decoder_->pairs() && coded[0].chunk.columns == coded[1].chunk.columns;
        if (paired) good[0] = good[1] = pass(i, [&] { decoder_->decode_pair(coded); });
        else pass_each([&](size_t k) { decoder_->decode(coded[k]); });
        pass_each([&](size_t k) { done(coded[k].chunk, rooms[k]); });
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

  MatrixShape shape_;
  Live live_;  ///< empty: all is
  std::vector<uint8_t> classes_;
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
  // Rows as the stream counts them.
  int64_t begin = first, end = first + count;
  if (stream.pruned()) {
    std::fill(levels.begin(), levels.end(), 0);
    const std::vector<int64_t>& rows = stream.live().rows;
    begin = std::lower_bound(rows.begin(), rows.end(), begin) - rows.begin();
    end = std::lower_bound(rows.begin(), rows.end(), end) - rows.begin();
    if (begin == end) return;
  }
  const auto place = [&](int64_t row, int64_t column) {
    return levels.data() + (row - first) * shape.columns + column;
  };
  stream.decode<int32_t>(
      grid.first_of_row(begin), grid.end_of_row(end - 1), threads,
      [&](const Chunk& chunk) -> Room<int32_t> {
        if (!stream.pruned() && chunk.row >= begin && chunk.row + chunk.rows <= end)
          return {place(chunk.row, chunk.column), shape.columns};
        return room_of_its_own<int32_t>(chunk);
      },
      [&](const Chunk& chunk, const Room<int32_t>& room) {
        if (room.own.empty()) return;
        for (int64_t r = std::max(begin, chunk.row); r < std::min(end, chunk.row + chunk.rows); ++r) {
          const int32_t* row = room.dst + (r - chunk.row) * room.stride;
          for (int64_t c = 0; c < chunk.columns; ++c)
            *place(stream.row_of(r), stream.column_of(chunk.column + c)) = row[c];
        }
      });
}

namespace {

/// Each chunk in memory of its own first, then dst = of_row(row)(value, column) in the order of the columns; To() for
/// what is not coded.
template <typename From, typename To, typename OfRow>
void decode_through(const Stream& stream, const MatrixShape& shape, std::span<To> dst, int threads, OfRow&& of_row) {
  if (stream.pruned()) std::fill(dst.begin(), dst.end(), To());
  stream.decode<From>(0, stream.grid().count(), threads, room_of_its_own<From>,
                      [&](const Chunk& chunk, const Room<From>& room) {
                        for (int64_t r = 0; r < chunk.rows; ++r) {
                          const auto row = static_cast<size_t>(stream.row_of(chunk.row + r));
                          To* to = &dst[row * static_cast<size_t>(shape.columns)];
                          auto convert = of_row(row);
                          for (int64_t c = 0; c < chunk.columns; ++c) {
                            const auto column = static_cast<size_t>(stream.column_of(chunk.column + c));
                            to[column] = convert(room.dst[r * room.stride + c], column);
                          }
                        }
                      });
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

/// What levels are worth, as To, for any stream.
template <typename To>
void decode_scaled(const Stream& stream, const MatrixShape& shape, const Scales& scales, std::span<To> dst,
                   int threads) {
  if (shape.trellis) {  // whose chunks are whole rows
    decode_through<int32_t>(stream, shape, dst, threads, [&](size_t row) {
      return [&scales, scale = scales.of_row(row), trellis = TrellisState()](int32_t level, size_t column) mutable {
        const float steps = in_steps(level, trellis.quantizer());
        trellis.pass(level);
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
  const Stream stream(bytes, shape);
  check_size(dst.size(), shape.rows, shape.columns);
  const Scales scales(shape, row_scale, column_scale);
  if (stream.pruned() || shape.trellis) {
    decode_scaled(stream, shape, scales, dst, threads);
    return;
  }
  stream.decode<float>(
      0, stream.grid().count(), threads,
      [&](const Chunk& chunk) -> Room<float> {
        return {dst.data() + chunk.row * shape.columns + chunk.column, shape.columns};
      },
      [&](const Chunk& chunk, const Room<float>& room) {
        if (row_scale.empty() && column_scale.empty()) return;
        // The chunk is still in the cache.
        const auto columns = column_scale.empty() ? column_scale
                                                  : column_scale.subspan(static_cast<size_t>(chunk.column),
                                                                         static_cast<size_t>(chunk.columns));
        for (int64_t r = 0; r < chunk.rows; ++r)
          scale_row(std::span(room.dst + r * room.stride, static_cast<size_t>(chunk.columns)),
                    scales.of_row(static_cast<size_t>(chunk.row + r)), columns);
      });
}

void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<const float> row_scale,
            std::span<const float> column_scale, std::span<BFloat16> dst, int threads) {
  const Stream stream(bytes, shape);
  check_size(dst.size(), shape.rows, shape.columns);
  decode_scaled(stream, shape, Scales(shape, row_scale, column_scale), dst, threads);
}

void decode(std::span<const std::byte> bytes, const MatrixShape& shape, std::span<int8_t> levels, int threads) {
  const Stream stream(bytes, shape);
  check_size(levels.size(), shape.rows, shape.columns);
  decode_through<int32_t>(stream, shape, levels, threads, [](size_t row) {
    return [row](int32_t level, size_t column) {
      if (level < -127 || level > 127)
        fail_input("level {} in row {}, column {} does not fit a byte", level, row, column);
      return static_cast<int8_t>(level);
    };
  });
}

void check(std::span<const std::byte> bytes, const MatrixShape& shape) { Stream(bytes, shape).check(); }

namespace {

/// The chunk again, its levels to go to `own`.
CodedChunk<int32_t> as_integers(const CodedChunk<float>& coded, std::vector<int32_t>& own) {
  own.resize(static_cast<size_t>(coded.chunk.rows * coded.chunk.columns));
  return {coded.bytes, coded.chunk, own.data(), coded.chunk.columns};
}

void to_floats(const CodedChunk<int32_t>& from, const CodedChunk<float>& to) {
  for (int64_t r = 0; r < from.chunk.rows; ++r)
    for (int64_t c = 0; c < from.chunk.columns; ++c)
      to.dst[r * to.stride + c] = static_cast<float>(from.dst[r * from.stride + c]);
}

}  // namespace

void LevelDecoder::decode(const CodedChunk<float>& coded) const {
  std::vector<int32_t> levels;
  const CodedChunk<int32_t> integers = as_integers(coded, levels);
  decode(integers);
  to_floats(integers, coded);
}

void LevelDecoder::decode_pair(const std::array<CodedChunk<float>, 2>& pair) const {
  std::array<std::vector<int32_t>, 2> levels;
  const std::array integers{as_integers(pair[0], levels[0]), as_integers(pair[1], levels[1])};
  decode_pair(integers);
  for (size_t i = 0; i < 2; ++i) to_floats(integers[i], pair[i]);
}

}  // namespace tercel::codec

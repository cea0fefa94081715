// A stream of levels as its decoders see it: the frame has been read, the chunks are still coded.
#pragma once

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "codec/chunks.h"
#include "codec/codec.h"
#include "codec/level_decoder.h"
#include "codec/significance.h"

namespace tercel::codec {

/// Where a chunk's levels go; `own` is the memory of a temporary one.
template <typename T>
struct OutputBuffer {
  T* dst = nullptr;
  int64_t stride = 0;
  std::vector<T> own{};
};

template <typename T>
OutputBuffer<T> temporary_buffer(const Chunk& chunk) {
  std::vector<T> own(static_cast<size_t>(chunk.rows * chunk.columns));
  T* dst = own.data();
  return {dst, chunk.columns, std::move(own)};
}

/// A stream of levels whose frame has been read and whose lengths add up; its chunks are checked one by one.
class LevelStream {
 public:
  LevelStream(std::span<const std::byte> bytes, const MatrixShape& shape);

  LevelStream(const LevelStream&) = delete;  // decoders refer to the shape
  LevelStream& operator=(const LevelStream&) = delete;

  /// Of what is coded. Where the stream is pruned, rows and columns of chunks count those of the significance map.
  const ChunkGrid& grid() const { return grid_; }
  bool pruned() const { return !significance_.rows.empty(); }
  const SignificanceMap& significance() const { return significance_; }
  int64_t row_of(int64_t coded) const { return pruned() ? significance_.rows[static_cast<size_t>(coded)] : coded; }
  int64_t column_of(int64_t coded) const {
    return pruned() ? significance_.columns[static_cast<size_t>(coded)] : coded;
  }

  /// Throws for the first chunk whose checksum is wrong.
  void check() const;

  /// Decodes chunks [first, last) into buffer_of(chunk), then calls done(chunk, buffer). Of chunks that fail the first
  /// is reported.
  template <typename T, typename BufferOf, typename Done>
  void decode(int64_t first, int64_t last, int threads, BufferOf&& buffer_of, Done&& done) const {
    std::vector<std::exception_ptr> failures(static_cast<size_t>(last - first));
    const auto attempt = [&](int64_t index, auto&& step) {
      try {
        at_place([&] { return location(index); }, step);
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
        std::array<OutputBuffer<T>, 2> buffers;
        std::array<CodedChunk<T>, 2> coded{};
        std::array good{true, true};
        const auto attempt_each = [&](auto&& step) {
          for (size_t k = 0; k < count; ++k)
            good[k] = good[k] && attempt(i + static_cast<int64_t>(k), [&] { step(k); });
        };
        attempt_each([&](size_t k) {
          const int64_t index = i + static_cast<int64_t>(k);
          const std::span<const std::byte> bytes = checked_bytes(index);
          buffers[k] = buffer_of(grid_[index]);
          coded[k] = {bytes, grid_[index], buffers[k].dst, buffers[k].stride};
        });
        const bool paired =
            count == 2 && good[0] && good[1] && decoder_->pairs() && coded[0].chunk.columns == coded[1].chunk.columns;
        if (paired) good[0] = good[1] = attempt(i, [&] { decoder_->decode_pair(coded); });
        else attempt_each([&](size_t k) { decoder_->decode(coded[k]); });
        attempt_each([&](size_t k) { done(coded[k].chunk, buffers[k]); });
      }
    });
    for (const std::exception_ptr& failure : failures)
      if (failure) std::rethrow_exception(failure);
  }

 private:
  std::string location(int64_t index) const;
  std::span<const std::byte> checked_bytes(int64_t index) const;

  MatrixShape shape_;
  SignificanceMap significance_;  ///< empty: not pruned
  std::vector<uint8_t> classes_;
  std::unique_ptr<LevelDecoder> decoder_;
  uint32_t seed_ = 0;
  ChunkGrid grid_{MatrixShape{}, 1};
  std::vector<ChunkEntry> entries_;
  std::vector<std::span<const std::byte>> chunks_;
};

/// Each chunk into a temporary first, then dst = of_row(row)(value, column) in the order of the columns; To() for
/// what is pruned.
template <typename From, typename To, typename OfRow>
void decode_through(const LevelStream& stream, const MatrixShape& shape, std::span<To> dst, int threads,
                    OfRow&& of_row) {
  if (stream.pruned()) std::fill(dst.begin(), dst.end(), To());
  stream.decode<From>(0, stream.grid().count(), threads, temporary_buffer<From>,
                      [&](const Chunk& chunk, const OutputBuffer<From>& buffer) {
                        for (int64_t r = 0; r < chunk.rows; ++r) {
                          const auto row = static_cast<size_t>(stream.row_of(chunk.row + r));
                          To* to = &dst[row * static_cast<size_t>(shape.columns)];
                          auto convert = of_row(row);
                          for (int64_t c = 0; c < chunk.columns; ++c) {
                            const auto column = static_cast<size_t>(stream.column_of(chunk.column + c));
                            to[column] = convert(buffer.dst[r * buffer.stride + c], column);
                          }
                        }
                      });
}

/// Throws Error where `got` elements are not the matrix.
void check_size(size_t got, int64_t rows, int64_t columns);

}  // namespace tercel::codec

#include "kernels/simd/strided_copy.h"

#include <cstring>

#include "base/bits.h"
#include "base/threads.h"

namespace tercel::inline kernels {
namespace {

constexpr int64_t kTile = 16;        // a cache line of 4-byte elements
constexpr int64_t kPiece = 1 << 14;  // elements of one contiguous run that a thread takes at once
constexpr int64_t kStrip = 1 << 10;  // rows of a transposition that a thread takes at once
constexpr int64_t kGrain = 1 << 14;  // elements that are worth a thread

template <typename T>
T load(const std::byte* from) {
  return load_unaligned<T>(from);
}

// Compiled for the default target, so every Isa may run it: unpacking four by four needs no more than SSE2.
using Quad [[gnu::vector_size(16)]] = uint32_t;

/// dst[c][r] = rows[r][c] for 4 x 4 elements of 4 bytes; strides in bytes.
void unpack_quads(const Quad (&rows)[4], std::byte* dst, int64_t dst_stride) {
  const auto& [a, b, c, d] = rows;
  const Quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const Quad columns[4] = {
      __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5), __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
      __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5), __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
  for (int i = 0; i < 4; ++i) std::memcpy(dst + i * dst_stride, &columns[i], sizeof(Quad));
}

void transpose_quads(const std::byte* src, int64_t src_stride, std::byte* dst, int64_t dst_stride) {
  const Quad rows[4] = {load<Quad>(src), load<Quad>(src + src_stride), load<Quad>(src + 2 * src_stride),
                        load<Quad>(src + 3 * src_stride)};
  unpack_quads(rows, dst, dst_stride);
}

template <typename T>
void transpose_scalars(const std::byte* src, int64_t src_stride, std::byte* dst, int64_t dst_stride, int64_t rows,
                       int64_t columns) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(dst + c * dst_stride + r * kSize, src + r * src_stride + c * kSize, sizeof(T));
}

/// Few rows: their number known to the compiler unrolls the inner loop.
template <typename T, int64_t rows>
void transpose_thin(const std::byte* src, int64_t src_stride, std::byte* dst, int64_t dst_stride, int64_t columns) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  int64_t c = 0;
  if constexpr (rows == 3 && sizeof(T) == sizeof(uint32_t)) {
    // The three colours of a picture: pixels are written as quads, whose fourth element the next pixel writes over.
    if (dst_stride == rows * kSize)
      for (; c + 4 < columns; c += 4) {
        Quad colours[4] = {};
        for (int64_t r = 0; r < rows; ++r) colours[r] = load<Quad>(src + r * src_stride + c * kSize);
        unpack_quads(colours, dst + c * dst_stride, dst_stride);
      }
  }
  for (; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(dst + c * dst_stride + r * kSize, src + r * src_stride + c * kSize, sizeof(T));
}

/// dst[c][r] = src[r][c] for so few columns, or rows, that both sides stay in L1.
template <typename T>
void transpose_strip(const std::byte* src, int64_t src_stride, std::byte* dst, int64_t dst_stride, int64_t rows,
                     int64_t columns) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  switch (rows) {
    case 2: return transpose_thin<T, 2>(src, src_stride, dst, dst_stride, columns);
    case 3: return transpose_thin<T, 3>(src, src_stride, dst, dst_stride, columns);
  }
  for (int64_t r = 0; r < rows; r += kTile) {
    const int64_t height = std::min(kTile, rows - r);
    const std::byte* from = src + r * src_stride;
    std::byte* to = dst + r * kSize;
    int64_t c = 0, quads = 0;
    if constexpr (sizeof(T) == sizeof(uint32_t)) {
      quads = height / 4 * 4;
      for (; c + 4 <= columns; c += 4)
        for (int64_t i = 0; i < quads; i += 4)
          transpose_quads(from + i * src_stride + c * kSize, src_stride, to + c * dst_stride + i * kSize, dst_stride);
      // Rows that fill no quad, for the columns done; then all rows of the columns left.
      transpose_scalars<T>(from + quads * src_stride, src_stride, to + quads * kSize, dst_stride, height - quads, c);
    }
    transpose_scalars<T>(from + c * kSize, src_stride, to + c * dst_stride, dst_stride, height, columns - c);
  }
}

template <typename T>
void copy_run(const std::byte* src, int64_t src_stride, std::byte* dst, int64_t dst_stride, int64_t count) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  if (src_stride == 1 && dst_stride == 1) {
    std::memcpy(dst, src, static_cast<size_t>(count) * sizeof(T));
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(dst + i * dst_stride * kSize, src + i * src_stride * kSize, sizeof(T));
}

}  // namespace

StridedCopy::StridedCopy(const Dims& dims, const Dims& src_strides, const Dims& dst_strides, size_t width,
                         int64_t src_base, int64_t dst_base)
    : box_(dims, {src_strides, dst_strides}),
      empty_(count_elements(dims) == 0),
      width_(width),
      src_base_(src_base),
      dst_base_(dst_base) {
  if (box_.stride(0) == 1 || box_.stride(1) != 1) return;
  for (size_t i = 0; i + 1 < box_.rank; ++i) {
    if (box_.strides[0][i] != 1) continue;
    columns_ = box_.dims[i];
    column_stride_ = box_.strides[1][i];
    --box_.rank;
    for (; i < box_.rank; ++i) {
      box_.dims[i] = box_.dims[i + 1];
      for (auto& strides : box_.strides) strides[i] = strides[i + 1];
    }
  }
}

template <typename T>
void StridedCopy::run_of(const std::byte* src, std::byte* dst) const {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  const bool transposes = columns_ > 1;
  const int64_t extent = box_.extent();
  src += src_base_ * kSize;
  dst += dst_base_ * kSize;
  // A row of the box is cut into pieces, and where it is transposed each piece into strips of columns; of few rows a
  // strip may be long.
  const int64_t piece = transposes ? kStrip : kPiece, width = extent < kTile ? kStrip : kTile;
  const int64_t pieces = div_up(extent, piece), parts = pieces * div_up(columns_, width);
  const int64_t weight = std::min(extent, piece) * std::min(columns_, width);
  const auto copy_part = [&](const RowWalk<2>& walk, int64_t first, int64_t column) {
    const int64_t count = std::min(piece, extent - first);
    const std::byte* from = src + (walk.at(0) + first * box_.stride(0) + column) * kSize;
    std::byte* to = dst + (walk.at(1) + first * box_.stride(1) + column * column_stride_) * kSize;
    if (transposes)
      transpose_strip<T>(from, box_.stride(0) * kSize, to, column_stride_ * kSize, count,
                         std::min(width, columns_ - column));
    else copy_run<T>(from, box_.stride(0), to, box_.stride(1), count);
  };
  parallel_for(box_.rows() * parts, std::max<int64_t>(1, kGrain / weight), [&](int64_t begin, int64_t end) {
    RowWalk<2> walk(box_, begin / parts);
    int64_t part = begin % parts;
    for (int64_t i = begin; i < end; ++i) {
      if (parts == 1) copy_part(walk, 0, 0);  // the many short rows of channels_last are spared the divisions
      else copy_part(walk, part % pieces * piece, part / pieces * width);
      if (++part < parts) continue;
      part = 0;
      walk.next();
    }
  });
}

void StridedCopy::run(const std::byte* src, std::byte* dst) const {
  if (empty_) return;
  switch (width_) {
    case 1: return run_of<uint8_t>(src, dst);
    case 2: return run_of<uint16_t>(src, dst);
    case 4: return run_of<uint32_t>(src, dst);
    default: return run_of<uint64_t>(src, dst);
  }
}

}  // namespace tercel::inline kernels

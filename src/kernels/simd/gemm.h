// Matrix product on rows found by address: one inner kernel for matrix products and direct convolutions.
//
//   dst[i, j] = activation(scale * row_scale[i] * sum_t sum_k row(i, t)[k] * b[t, k, j] + bias[j] + residual[i, j])
//
// A plain product has one tap (t = 0) and rows at a fixed distance; a convolution has one tap per kernel position, and
// row(i, t) is the address of the pixel that tap t of output i looks at (an "indirect" product: Dukhan 2019,
// arXiv 1907.02129). b is packed into panels of as many columns as fit the registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/bits.h"
#include "base/isa.h"
#include "base/threads.h"
#include "tensor/activation.h"

namespace tercel::inline kernels {

/// Register tile of the inner kernel: rows x columns.
struct GemmTile {
  int rows;
  int columns;
};
GemmTile gemm_tile(Isa isa);

/// Floats that a packed b takes: k = taps * depth rows, n columns rounded up to panels.
size_t packed_b_floats(int64_t k, int64_t n, Isa isa);

/// Element (k, n) of b is float number k_offsets[k] + n * n_stride from b, which may have any alignment.
void pack_b(const std::byte* b, std::span<const int64_t> k_offsets, int64_t n, int64_t n_stride, Isa isa,
            float* packed);

/// The same as bf16, for GemmJob::b16: weights of k and k + 1 of a column lie side by side, every tap's depth rounded
/// up to pairs. k_offsets are those of all taps.
size_t packed_b16_bytes(int64_t depth, int64_t taps, int64_t n, Isa isa);
void pack_b16(const std::byte* b, std::span<const int64_t> k_offsets, int64_t taps, int64_t n, int64_t n_stride,
              Isa isa, uint16_t* packed);

/// 0, stride, 2 stride, ...: the offsets of a plain matrix.
std::vector<int64_t> strided_offsets(int64_t count, int64_t stride);

/// Writes the addresses for rows first .. first + count - 1 to out[t * stride + i].
template <typename T>
using RowFinderOf = void (*)(const void* context, int64_t first, int count, int stride, const T** out);
using RowFinder = RowFinderOf<float>;

struct GemmJob {
  int64_t m = 0, n = 0;
  int64_t depth = 0;  ///< k per tap
  int taps = 1;
  RowFinder find_rows = nullptr;  ///< null: row i is a + i * lda
  const void* context = nullptr;
  const float* a = nullptr;
  int64_t lda = 0;
  const float* b = nullptr;  ///< packed
  const uint16_t* b16 =
      nullptr;  ///< or packed as bf16: then rows are rounded to bf16 too, where there is an instruction for it
  float* dst = nullptr;
  int64_t ldd = 0;
  float scale = 1;
  const float* row_scale = nullptr;  ///< m floats; or null: all 1
  const float* bias = nullptr;       ///< n floats, readable up to a whole panel; or null
  const float* residual = nullptr;   ///< laid out as dst; or null
  Activation activation = Activation::none;
  float alpha = 0, beta = 0;
};

/// Threads share out whichever side of the grid of tiles divides more evenly; where both do, the one whose chunks have
/// less to read again: chunks of panels each read all of a, chunks of tiles all of b. run(tiles, first tile, last,
/// first panel, last) is called for each chunk.
template <typename Job, typename Run>
void share_out(const Job& job, const GemmTile& tile, Run&& run) {
  const int64_t tiles = div_up<int64_t>(job.m, tile.rows), panels = div_up<int64_t>(job.n, tile.columns);
  constexpr int64_t kWorthAThread = 1 << 15;  // multiply-accumulates
  const int64_t threads = current_threads();
  const int64_t by_panels = tiles * div_up(panels, threads), by_tiles = panels * div_up(tiles, threads);
  const auto grain = [&](int64_t macs) { return kWorthAThread / (macs * job.depth * job.taps + 1) + 1; };
  const int64_t spare = tiles * panels / threads / 16;
  const bool even = std::abs(by_panels - by_tiles) <= spare;
  if (even ? job.m <= job.n * job.taps : by_panels < by_tiles)
    parallel_for(panels, grain(job.m * tile.columns),
                 [&](int64_t b, int64_t e) { run(tiles, int64_t{0}, tiles, b, e); });
  else
    parallel_for(tiles, grain(job.n * tile.rows), [&](int64_t b, int64_t e) { run(tiles, b, e, int64_t{0}, panels); });
}

/// Addresses of rows first .. first + count - 1 of a GemmJob or LevelsJob, to out[t * stride + i].
template <typename Job, typename T>
void list_rows(const Job& job, int64_t first, int count, int stride, const T** out) {
  if (job.find_rows != nullptr) return job.find_rows(job.context, first, count, stride, out);
  for (int i = 0; i < count; ++i) out[i] = job.a + (first + i) * job.lda;
}

/// Where the tiles of a block begin: rows are dealt out evenly over all tiles, so that no thin one is left at the end.
template <int kMost>
struct TileRows {
  int64_t first[kMost + 1];

  TileRows(int64_t m, int64_t tiles, int64_t tile, int count) {
    for (int i = 0; i <= count; ++i) first[i] = m * (tile + i) / tiles;
  }
  int height(int i) const { return static_cast<int>(first[i + 1] - first[i]); }
};

/// Taps a job may have at most: their addresses are kept on the stack.
inline constexpr int kMaxTaps = 512;

/// On as many threads as base/threads.h says.
void gemm(const GemmJob& job, Isa isa);

/// dst[i, j] as above for few rows and b as n rows of k (transposed): reads b once, where it lies, at any alignment.
void gemv_transposed(const GemmJob& job, const std::byte* b, Isa isa);
void gemv_transposed_b16(const GemmJob& job, const uint16_t* b, Isa isa);

}  // namespace tercel::inline kernels

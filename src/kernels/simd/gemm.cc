#include "kernels/simd/gemm.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "base/bits.h"
#include "base/threads.h"
#include "tensor/dtype.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/gemm.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/activation-inl.h"
#include "kernels/simd/part-inl.h"
#include "kernels/simd/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// What a tile prefetches for those that come after it: `lines` cache lines every kPrefetchDepth steps of its sum.
struct Prefetch {
  const std::byte* from = nullptr;
  int64_t lines = 0;
};

/// Writes a tile that does not leave through registers: `sums` is rows x width, on the stack of the tile.
HWY_NOINLINE void FinishTile(const GemmJob& job, float* sums, int rows, int width, int64_t row0, int64_t column0,
                             int64_t columns) {
  const D d;
  const bool scales = job.scale != 1 || job.row_scale != nullptr;
  const bool clamps = job.activation == Activation::relu || job.activation == Activation::clip;
  const Clamp clamp(job.activation, job.alpha, job.beta);
  const V low = hn::Set(d, clamp.low), high = hn::Set(d, clamp.high);
  V scale = hn::Set(d, job.scale);
  for (int r = 0; r < rows && (scales || clamps || job.residual != nullptr); ++r) {
    float* row = sums + r * width;
    if (job.row_scale != nullptr) scale = hn::Set(d, job.scale * job.row_scale[row0 + r]);
    const float* residual = job.residual == nullptr ? nullptr : job.residual + (row0 + r) * job.ldd + column0;
    for (int64_t i = 0; i < width; i += kLanes) {
      V x = hn::Load(d, row + i);
      if (scales) x = hn::MulAdd(x, scale, job.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, job.bias + column0 + i));
      if (residual != nullptr && i < columns) x = hn::Add(x, LoadPart(d, residual + i, columns - i));
      hn::Store(clamps ? Clip(d, x, low, high) : x, d, row + i);
    }
  }
  // Curves are long chains of operations: of the whole tile at once they overlap.
  if (!is_clamp(job.activation)) ActivateRow(job.activation, job.alpha, job.beta, sums, rows * width);
  float* out = job.dst + row0 * job.ldd + column0;
  for (int r = 0; r < rows; ++r)
    for (int64_t i = 0; i < columns; i += kLanes)
      StorePart(hn::Load(d, sums + r * width + i), d, out + r * job.ldd + i, columns - i);
}

/// One register tile: R rows, `vectors` vectors of columns. Without kPrefetch nothing of b is prefetched: short sums
/// would feel a loop in the loop.
template <typename W, int R, int NV, bool kPrefetch>
HWY_INLINE void Tile(const GemmJob& job, const float* const* rows, int stride, const W* HWY_RESTRICT b,
                     Prefetch prefetch, int64_t row0, int64_t column0, int64_t columns) {
  const D d;
  constexpr int kWidth = NV * kLanes;
  float* out = job.dst + row0 * job.ldd + column0;
  // Stores that miss wait for each other: their lines are asked for while there is a sum to wait behind.
  for (int r = 0; r < R; ++r)
    for (int64_t line = 0; line < kWidth; line += kLineFloats) __builtin_prefetch(out + r * job.ldd + line, 1);
  // A sum that is not scaled begins with the bias.
  const bool scales = job.scale != 1 || job.row_scale != nullptr;
  V acc[R][NV];
  for (int v = 0; v < NV; ++v) {
    const V first = job.bias == nullptr || scales ? hn::Zero(d) : hn::LoadU(d, job.bias + column0 + v * kLanes);
    HWY_UNROLL(12)
    for (int r = 0; r < R; ++r) acc[r][v] = first;
  }
  const int64_t depth = job.depth;
  int t = 0;
  do {
    const float* HWY_RESTRICT a[R];
    HWY_UNROLL(12)
    for (int r = 0; r < R; ++r) a[r] = rows[t * stride + r];
    int64_t k = 0;
    do {
      const int64_t end = kPrefetch ? std::min(depth, k + kPrefetchDepth) : depth;
      if constexpr (kPrefetch)
        for (int64_t line = 0; line < prefetch.lines; ++line, prefetch.from += kLineBytes)
          __builtin_prefetch(prefetch.from, 0, 2);
      MultiplyAdd(acc, a, b, k, end);
      k = end;
    } while (kPrefetch && k < depth);
  } while (++t < job.taps);
  // All loops over acc are unrolled: it must not be an array in memory.
  if (columns == kWidth && is_clamp(job.activation) && !scales) {
    // What most layers end with, from registers. A maximum takes the units of the sums as long as a product does.
    if (job.residual != nullptr) {
      const float* residual = job.residual + row0 * job.ldd + column0;
      HWY_UNROLL(12)
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) acc[r][v] = hn::Add(acc[r][v], hn::LoadU(d, residual + r * job.ldd + v * kLanes));
    }
    const V low = hn::Set(d, job.activation == Activation::clip ? job.alpha : 0), high = hn::Set(d, job.beta);
    const bool bounded_below = job.activation != Activation::none, bounded_above = job.activation == Activation::clip;
    if (bounded_below) HWY_UNROLL(12)
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < NV; ++v) acc[r][v] = AtLeast(d, low, acc[r][v]);
    if (bounded_above) HWY_UNROLL(12)
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < NV; ++v) acc[r][v] = AtMost(d, high, acc[r][v]);
    HWY_UNROLL(12)
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < NV; ++v) hn::StoreU(acc[r][v], d, out + r * job.ldd + v * kLanes);
    return;
  }
  HWY_ALIGN float sums[R * kWidth];
  HWY_UNROLL(12)
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < NV; ++v) hn::Store(acc[r][v], d, sums + r * kWidth + v * kLanes);
  FinishTile(job, sums, R, kWidth, row0, column0, columns);
}

using TileFn = void (*)(const GemmJob&, const float* const*, int, const std::byte*, Prefetch, int64_t, int64_t,
                        int64_t);

template <typename W, int R, int NV, bool kPrefetch>
HWY_NOINLINE void TileEntry(const GemmJob& job, const float* const* rows, int stride, const std::byte* b,
                            Prefetch prefetch, int64_t row0, int64_t column0, int64_t columns) {
  Tile<W, R, NV, kPrefetch>(job, rows, stride, reinterpret_cast<const W*>(b), prefetch, row0, column0, columns);
}

template <typename W, int NV, bool kPrefetch>
TileFn PickTile(int rows) {
  static constexpr auto kByRows = []<int... i>(std::integer_sequence<int, i...>) {
    return std::array{&TileEntry<W, i + 1, NV, kPrefetch>...};
  }
  (std::make_integer_sequence<int, kRows>());
  return kByRows[static_cast<size_t>(rows - 1)];
}

// Tiles whose rows are looked up together: their rows of a stay in L2 while all panels of b pass by. Fewer
// where a tile has many taps, for their addresses are kept on the stack.
constexpr int kBlockTiles = 8, kBlockTaps = 64;
static_assert(kMaxTaps <= kBlockTiles * kBlockTaps);
constexpr int64_t kNearBytes = int64_t{1} << 18;  // a b of this size is found in L2 again

/// Rows [tile_begin, tile_end) of the tile grid against panels [panel_begin, panel_end) of weights W from `b` on.
template <typename W>
void PartOf(const GemmJob& job, const void* b, int64_t tiles, int64_t tile_begin, int64_t tile_end, int64_t panel_begin,
            int64_t panel_end) {
  const int taps = job.taps;
  const float* row_list[kBlockTiles * kBlockTaps * kRows];
  const int block_tiles = std::min(kBlockTiles, kBlockTiles * kBlockTaps / taps);
  const auto rows = [&](int tile) { return row_list + tile * taps * kRows; };
  const auto* panels = static_cast<const std::byte*>(b);
  constexpr int64_t kRowBytes = kColumns * sizeof(W);
  const int64_t panel_bytes = taps * round_up<int64_t>(job.depth, sizeof(float) / sizeof(W)) * kRowBytes;
  const bool near = (panel_end - panel_begin) * panel_bytes <= kNearBytes;
  const int64_t blocks = div_up<int64_t>(tile_end - tile_begin, block_tiles);
  for (int64_t part = 0; part < blocks; ++part) {
    // Tiles are dealt out evenly over the blocks: each reads all of b.
    const int64_t block = tile_begin + (tile_end - tile_begin) * part / blocks;
    const int count = static_cast<int>(tile_begin + (tile_end - tile_begin) * (part + 1) / blocks - block);
    const TileRows<kBlockTiles> block_rows(job.m, tiles, block, count);
    for (int i = 0; i < count; ++i) list_rows(job, block_rows.first[i], block_rows.height(i), kRows, rows(i));
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      const int64_t column0 = panel * kColumns;
      const int64_t columns = std::min<int64_t>(kColumns, job.n - column0);
      const bool narrow = columns <= kLanes;
      // Where b is too large for L2, the tiles that work on a panel each prefetch their part of the next:
      // else the first tile of each panel waits for memory. A single tile is about to read the next one itself.
      const std::byte* next = panel + 1 < panel_end ? panels + (panel + 1) * panel_bytes
                              : part + 1 < blocks   ? panels + panel_begin * panel_bytes
                                                    : nullptr;
      const int64_t lines =
          next == nullptr || count == 1 || near ? 0 : div_up<int64_t>(kPrefetchDepth * kRowBytes / kLineBytes, count);
      for (int i = 0; i < count; ++i) {
        const int height = block_rows.height(i);
        const TileFn tile = narrow       ? PickTile<W, 1, false>(height)
                            : lines == 0 ? PickTile<W, kVectors, false>(height)
                                         : PickTile<W, kVectors, true>(height);
        const Prefetch prefetch = lines == 0 ? Prefetch{} : Prefetch{next + panel_bytes * i / count, lines};
        tile(job, rows(i), kRows, panels + panel * panel_bytes, prefetch, block_rows.first[i], column0, columns);
      }
    }
  }
}

/// `by_pairs`: with products of bf16 pairs, which this processor has.
void GemmPart(const GemmJob& job, [[maybe_unused]] bool by_pairs, int64_t tiles, int64_t tile_begin, int64_t tile_end,
              int64_t panel_begin, int64_t panel_end) {
  if (job.b16 == nullptr) return PartOf<float>(job, job.b, tiles, tile_begin, tile_end, panel_begin, panel_end);
#if HWY_TARGET == HWY_AVX3
  if (by_pairs) return PartOf<Bf16Pair>(job, job.b16, tiles, tile_begin, tile_end, panel_begin, panel_end);
#endif
  PartOf<uint16_t>(job, job.b16, tiles, tile_begin, tile_end, panel_begin, panel_end);
}

/// A vector of weights, f32 or bf16, at any alignment.
HWY_INLINE V LoadWeights(const float* from) { return hn::LoadU(D(), from); }
HWY_INLINE V LoadWeights(const uint16_t* from) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<uint16_t, D> d16;
  return hn::BitCast(D(), hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(d16, from))));
}
inline float WeightAt(const float* from) { return load_unaligned<float>(from); }
inline float WeightAt(const uint16_t* from) { return std::bit_cast<float>(uint32_t{*from} << 16); }

/// Columns [begin, end) of a product with few rows, b transposed and unpacked.
template <typename W>
void GemvOf(const GemmJob& job, const W* b, int64_t begin, int64_t end) {
  const D d;
  constexpr int kUnroll = 4;
  const int64_t k = job.depth;
  for (int64_t j = begin; j < end; ++j) {
    const W* HWY_RESTRICT column = b + j * k;
    for (int64_t i = 0; i < job.m; ++i) {
      const float* HWY_RESTRICT row = job.a + i * job.lda;
      V sum[kUnroll];
      for (int u = 0; u < kUnroll; ++u) sum[u] = hn::Zero(d);
      int64_t p = 0;
      for (; p + kUnroll * kLanes <= k; p += kUnroll * kLanes) HWY_UNROLL(4)
      for (int u = 0; u < kUnroll; ++u)
        sum[u] = hn::MulAdd(hn::LoadU(d, row + p + u * kLanes), LoadWeights(column + p + u * kLanes), sum[u]);
      for (; p + kLanes <= k; p += kLanes) sum[0] = hn::MulAdd(hn::LoadU(d, row + p), LoadWeights(column + p), sum[0]);
      float total = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]))));
      for (; p < k; ++p) total += row[p] * WeightAt(column + p);
      const float scale = job.row_scale == nullptr ? job.scale : job.scale * job.row_scale[i];
      float x = total * scale + (job.bias == nullptr ? 0.0f : job.bias[j]);
      if (job.residual != nullptr) x += job.residual[i * job.ldd + j];
      job.dst[i * job.ldd + j] = apply_activation(job.activation, x, job.alpha, job.beta);
    }
  }
}
void GemvPart(const GemmJob& job, const float* b, int64_t begin, int64_t end) { GemvOf(job, b, begin, end); }
void GemvPart16(const GemmJob& job, const uint16_t* b, int64_t begin, int64_t end) { GemvOf(job, b, begin, end); }

GemmTile TileSize() { return {kRows, kColumns}; }

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {

GemmTile gemm_tile(Isa isa) { return TERCEL_PICK(isa, TileSize)(); }

size_t packed_b_floats(int64_t k, int64_t n, Isa isa) {
  return static_cast<size_t>(k * round_up<int64_t>(n, gemm_tile(isa).columns));
}

std::vector<int64_t> strided_offsets(int64_t count, int64_t stride) {
  std::vector<int64_t> offsets(static_cast<size_t>(count));
  for (size_t i = 0; i < offsets.size(); ++i) offsets[i] = static_cast<int64_t>(i) * stride;
  return offsets;
}

void pack_b(const std::byte* b, std::span<const int64_t> k_offsets, int64_t n, int64_t n_stride, Isa isa,
            float* packed) {
  const auto k = static_cast<int64_t>(k_offsets.size());
  const int64_t columns = gemm_tile(isa).columns;
  constexpr auto kSize = static_cast<int64_t>(sizeof(float));
  // A row of a whole panel: where it is a multiple of this, in parts of known size, without a call.
  constexpr int64_t kCopied = 8;
  const auto copy = [columns](float* to, const std::byte* from) {
    if (columns % kCopied != 0) return static_cast<void>(std::memcpy(to, from, static_cast<size_t>(columns * kSize)));
    for (int64_t part = 0; part < columns; part += kCopied)
      std::memcpy(to + part, from + part * kSize, kCopied * sizeof(float));
  };
  parallel_for(div_up(n, columns), std::max<int64_t>(1, 65536 / (k * columns + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      float* out = packed + panel * k * columns;
      const int64_t width = std::min(columns, n - panel * columns);
      const std::byte* from = b + panel * columns * n_stride * kSize;
      if (n_stride == 1) {
        for (int64_t row = 0; row < k && width == columns; ++row)
          copy(out + row * columns, from + k_offsets[static_cast<size_t>(row)] * kSize);
        for (int64_t row = 0; row < k && width < columns; ++row) {
          std::memcpy(out + row * columns, from + k_offsets[static_cast<size_t>(row)] * kSize,
                      static_cast<size_t>(width * kSize));
          std::fill(out + row * columns + width, out + (row + 1) * columns, 0.0f);
        }
        continue;
      }
      // Square tiles, so that neither side walks memory in long steps only.
      constexpr int64_t kTile = 16;
      for (int64_t k0 = 0; k0 < k; k0 += kTile)
        for (int64_t j = 0; j < columns; ++j)
          for (int64_t row = k0; row < std::min(k, k0 + kTile); ++row)
            out[row * columns + j] =
                j < width ? load_unaligned<float>(from + (k_offsets[static_cast<size_t>(row)] + j * n_stride) * kSize)
                          : 0.0f;
    }
  });
}

size_t packed_b16_bytes(int64_t depth, int64_t taps, int64_t n, Isa isa) {
  return packed_b_floats(taps * round_up<int64_t>(depth, 2), n, isa) * sizeof(uint16_t);
}

void pack_b16(const std::byte* b, std::span<const int64_t> k_offsets, int64_t taps, int64_t n, int64_t n_stride,
              Isa isa, uint16_t* packed) {
  const auto k = static_cast<int64_t>(k_offsets.size()), depth = taps == 0 ? 0 : k / taps;
  const int64_t columns = gemm_tile(isa).columns, pairs = div_up<int64_t>(depth, 2);
  parallel_for(div_up(n, columns), std::max<int64_t>(1, 65536 / (k * columns + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      uint16_t* out = packed + panel * taps * pairs * columns * 2;
      for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t pair = 0; pair < pairs; ++pair)
          for (int64_t j = 0; j < columns; ++j)
            for (int64_t i = 2 * pair; i < 2 * pair + 2; ++i) {
              const int64_t column = panel * columns + j;
              const bool there = i < depth && column < n;
              const int64_t at = there ? k_offsets[static_cast<size_t>(tap * depth + i)] + column * n_stride : 0;
              *out++ = there ? BFloat16(load_unaligned<float>(b + at * static_cast<int64_t>(sizeof(float)))).bits : 0;
            }
    }
  });
}

void gemm(const GemmJob& job, Isa isa) {
  if (job.m <= 0 || job.n <= 0) return;
  const auto part = TERCEL_PICK(isa, GemmPart);
  const bool by_pairs = isa.has(CpuFeature::avx512_bf16);
  share_out(job, gemm_tile(isa),
            [&](int64_t tiles, int64_t tile_begin, int64_t tile_end, int64_t panel_begin, int64_t panel_end) {
              part(job, by_pairs, tiles, tile_begin, tile_end, panel_begin, panel_end);
            });
}

void gemv_transposed(const GemmJob& job, const std::byte* b, Isa isa) {
  const auto part = TERCEL_PICK(isa, GemvPart);
  const float* floats = reinterpret_cast<const float*>(b);  // only ever read by unaligned loads
  parallel_for(job.n, std::max<int64_t>(1, 16384 / (job.depth + 1)),
               [&](int64_t begin, int64_t end) { part(job, floats, begin, end); });
}

void gemv_transposed_b16(const GemmJob& job, const uint16_t* b, Isa isa) {
  const auto part = TERCEL_PICK(isa, GemvPart16);
  parallel_for(job.n, std::max<int64_t>(1, 16384 / (job.depth + 1)),
               [&](int64_t begin, int64_t end) { part(job, b, begin, end); });
}

}  // namespace tercel::inline kernels
#endif

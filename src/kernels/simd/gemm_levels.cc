#include "kernels/simd/gemm_levels.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/bits.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/gemm_levels.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/requantize-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <typename W>
constexpr int kGroupOf = sizeof(W) == 1 ? 4 : 2;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
using DSum = hn::ScalableTag<int32_t>;
using VSum = hn::Vec<DSum>;
using DWeight = hn::Repartition<int16_t, DSum>;
using VWeight = hn::Vec<DWeight>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(DSum()));

// Two vectors wide; as many rows as leave registers for the two of b, one of a and one product.
constexpr int kVectors = 2;
constexpr int kRows = HWY_TARGET == HWY_AVX3 ? 12 : 6;
constexpr int kColumns = kVectors * kLanes;

using Sums = VSum[kVectors];

/// Levels as 16 bits, and a zero where their number is odd.
template <bool kSigned>
HWY_INLINE void Widen(const uint8_t* levels, int64_t count, int16_t* HWY_RESTRICT wide) {
  using Level = std::conditional_t<kSigned, int8_t, uint8_t>;
  const auto* from = reinterpret_cast<const Level*>(levels);
  const auto widen = [&](auto d, int64_t i) HWY_ATTR {
    hn::StoreU(hn::PromoteTo(d, hn::LoadU(hn::Rebind<Level, decltype(d)>(), from + i)), d, wide + i);
  };
  const hn::CappedTag<int16_t, 8> few;
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) widen(DWeight(), i);
  for (; i + 8 <= count; i += 8) widen(few, i);
  for (; i < count; ++i) wide[i] = from[i];
  if (count % 2 != 0) wide[count] = 0;
}

/// The rows `a` of one tap against pairs of 16-bit weights.
template <int R, bool kSigned>
HWY_INLINE void AddTap(const uint8_t* const (&a)[R], int64_t depth, const int16_t* HWY_RESTRICT b, Sums (&acc)[R]) {
  const DSum d;
  constexpr int64_t kWidened = 64;  // levels of each row at once
  HWY_ALIGN int16_t wide[R][kWidened];
  for (int64_t k = 0; k < depth; k += kWidened) {
    const int64_t count = std::min(kWidened, depth - k);
    for (int r = 0; r < R; ++r) Widen<kSigned>(a[r] + k, count, wide[r]);
    for (int64_t i = 0; i < count; i += 2, b += 2 * kColumns) {
      VWeight bv[kVectors];
      for (int v = 0; v < kVectors; ++v) bv[v] = hn::LoadU(DWeight(), b + v * 2 * kLanes);
      HWY_UNROLL(12)
      for (int r = 0; r < R; ++r) {
        int32_t pair;
        std::memcpy(&pair, wide[r] + i, sizeof(pair));
        const auto both = hn::BitCast(DWeight(), hn::Set(d, pair));
        // On these targets lane i of the sum takes the products of lanes 2i and 2i + 1, and `none` nothing.
        VSum none = hn::Zero(d);
        for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::ReorderWidenMulAccumulate(d, both, bv[v], acc[r][v], none);
      }
    }
  }
}

/// The last one to three levels of a row, and zeros: a copy of unknown length would be a call, around which sums leave
/// their registers.
HWY_INLINE uint32_t FirstLevels(const uint8_t* levels, int64_t count) {
  uint32_t quad = levels[0];
  if (count > 1) quad |= uint32_t{levels[1]} << 8;
  if (count > 2) quad |= uint32_t{levels[2]} << 16;
  return quad;
}

/// The same against quads of 8-bit weights. Signed rows are taken as their levels + 128: the bias knows.
template <int R, bool kSigned>
HWY_INLINE void AddTap(const uint8_t* const (&a)[R], int64_t depth, const int8_t* HWY_RESTRICT b, Sums (&acc)[R]) {
  const DSum d;
  const hn::Repartition<int8_t, DSum> d8;
  for (int64_t k = 0; k < depth; k += 4, b += 4 * kColumns) {
    VSum bv[kVectors];
    for (int v = 0; v < kVectors; ++v) bv[v] = hn::BitCast(d, hn::LoadU(d8, b + v * 4 * kLanes));
    const int64_t count = depth - k;
    HWY_UNROLL(12)
    for (int r = 0; r < R; ++r) {
      uint32_t quad = 0;
      if (HWY_LIKELY(count >= 4)) std::memcpy(&quad, a[r] + k, 4);
      else quad = FirstLevels(a[r] + k, count);
      const VSum levels = hn::Set(d, static_cast<int32_t>(kSigned ? quad ^ 0x80808080 : quad));
      for (int v = 0; v < kVectors; ++v) acc[r][v] = AddDotsOfQuads(acc[r][v], levels, bv[v]);
    }
  }
}

/// One register tile: R rows of a panel, whose weights are of type W.
template <int R, bool kSigned, typename W>
HWY_NOINLINE void LevelsTile(const LevelsJob& job, const uint8_t* const* rows, const std::byte* panel, int64_t row0,
                             int64_t column0, int64_t columns) {
  const DSum d;
  Sums acc[R];
  HWY_UNROLL(12)
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::LoadU(d, job.bias + column0 + v * kLanes);
  uint8_t* out = job.dst + row0 * job.ldd + column0;
  for (int r = 0; r < R; ++r) __builtin_prefetch(out + r * job.ldd, 1);
  const W* HWY_RESTRICT b = reinterpret_cast<const W*>(panel);
  int t = 0;
  do {
    const uint8_t* a[R];
    HWY_UNROLL(12)
    for (int r = 0; r < R; ++r) a[r] = rows[t * kRows + r];
    AddTap<R, kSigned>(a, job.depth, b, acc);
    b += round_up<int64_t>(job.depth, kGroupOf<W>) * kColumns;
  } while (++t < job.taps);
  const Requantizer<DSum> requantize(d, job.to);
  const bool whole = columns == kColumns;
  uint8_t part[kColumns];
  HWY_UNROLL(12)
  for (int r = 0; r < R; ++r, out += job.ldd) {
    for (int v = 0; v < kVectors; ++v) {
      const auto ratio = hn::LoadU(hn::Rebind<float, DSum>(), job.ratio + column0 + v * kLanes);
      const VSum level = job.in_floats ? requantize.OfSmallSum(acc[r][v], ratio) : requantize(acc[r][v], ratio);
      StoreBytes(d, level, (whole ? out : part) + v * kLanes);
    }
    if (!whole) std::memcpy(out, part, static_cast<size_t>(columns));
  }
}
#else
// Plain C++: other targets have no product of pairs in this order, or no vectors at all.
constexpr int kRows = 4, kColumns = 8;

template <int R, bool kSigned, typename W>
void LevelsTile(const LevelsJob& job, const uint8_t* const* rows, const std::byte* panel, int64_t row0, int64_t column0,
                int64_t columns) {
  using Level = std::conditional_t<kSigned, int8_t, uint8_t>;
  const W* HWY_RESTRICT b = reinterpret_cast<const W*>(panel);
  uint32_t acc[R][kColumns] = {};  // sums wrap on the way
  for (int t = 0; t < job.taps; ++t)
    for (int64_t k = 0; k < job.depth; k += 2, b += 2 * kColumns)
      for (int r = 0; r < R; ++r) {
        const uint8_t* a = rows[t * kRows + r] + k;
        const int32_t first = static_cast<Level>(a[0]), second = k + 1 < job.depth ? static_cast<Level>(a[1]) : 0;
        for (int j = 0; j < kColumns; ++j) acc[r][j] += static_cast<uint32_t>(first * b[2 * j] + second * b[2 * j + 1]);
      }
  for (int r = 0; r < R; ++r)
    for (int64_t j = 0; j < columns; ++j) {
      const auto at = static_cast<size_t>(column0 + j);
      const auto sum = static_cast<int32_t>(acc[r][j] + static_cast<uint32_t>(job.bias[at]));
      job.dst[(row0 + r) * job.ldd + column0 + j] =
          static_cast<uint8_t>(requantize(sum, *ratio_of(job.ratio[at]), job.to));
    }
}
#endif

using LevelsTileFn = void (*)(const LevelsJob&, const uint8_t* const*, const std::byte*, int64_t, int64_t, int64_t);

template <bool kSigned, typename W>
LevelsTileFn PickLevelsTile(int rows) {
  switch (rows) {
    case 1: return LevelsTile<1, kSigned, W>;
    case 2: return LevelsTile<2, kSigned, W>;
    case 3: return LevelsTile<3, kSigned, W>;
    case 4: return LevelsTile<4, kSigned, W>;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
    case 5: return LevelsTile<5, kSigned, W>;
    case 6: return LevelsTile<6, kSigned, W>;
#endif
#if HWY_TARGET == HWY_AVX3
    case 7: return LevelsTile<7, kSigned, W>;
    case 8: return LevelsTile<8, kSigned, W>;
    case 9: return LevelsTile<9, kSigned, W>;
    case 10: return LevelsTile<10, kSigned, W>;
    case 11: return LevelsTile<11, kSigned, W>;
    case 12: return LevelsTile<12, kSigned, W>;
#endif
  }
  return nullptr;
}

// Tiles whose rows are looked up together, so that they find a panel in the first cache that the first of them read.
constexpr int kBlockTiles = 16, kBlockTaps = 32;
static_assert(kMaxTaps <= kBlockTiles * kBlockTaps);

/// Tiles [tile_begin, tile_end) against panels [panel_begin, panel_end).
template <bool kSigned, typename W>
void PartOf(const LevelsJob& job, int64_t tiles, int64_t tile_begin, int64_t tile_end, int64_t panel_begin,
            int64_t panel_end) {
  const uint8_t* rows[kBlockTiles * kBlockTaps * kRows];
  const int block_tiles = std::min(kBlockTiles, kBlockTiles * kBlockTaps / job.taps);
  const size_t panel_bytes = packed_levels(job.depth, job.taps, kColumns, {kGroupOf<W>, kColumns});
  for (int64_t block = tile_begin; block < tile_end; block += block_tiles) {
    const int count = static_cast<int>(std::min<int64_t>(block_tiles, tile_end - block));
    const TileRows<kBlockTiles> block_rows(job.m, tiles, block, count);
    for (int i = 0; i < count; ++i)
      list_rows(job, block_rows.first[i], block_rows.height(i), kRows, rows + i * job.taps * kRows);
    for (int64_t panel = panel_begin; panel < panel_end; ++panel)
      for (int i = 0; i < count; ++i)
        PickLevelsTile<kSigned, W>(block_rows.height(i))(
            job, rows + i * job.taps * kRows, job.b + static_cast<size_t>(panel) * panel_bytes, block_rows.first[i],
            panel * kColumns, std::min<int64_t>(kColumns, job.n - panel * kColumns));
  }
}

void LevelsPart(const LevelsJob& job, int64_t tiles, int64_t tile_begin, int64_t tile_end, int64_t panel_begin,
                int64_t panel_end) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  if (job.group == 4) {
    const auto part = job.a_signed ? PartOf<true, int8_t> : PartOf<false, int8_t>;
    return part(job, tiles, tile_begin, tile_end, panel_begin, panel_end);
  }
#endif
  const auto part = job.a_signed ? PartOf<true, int16_t> : PartOf<false, int16_t>;
  part(job, tiles, tile_begin, tile_end, panel_begin, panel_end);
}

GemmTile LevelsTileSize() { return {kRows, kColumns}; }

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {

GemmTile levels_tile(Isa isa) { return TERCEL_PICK(isa, LevelsTileSize)(); }

LevelsForm levels_form(Isa isa, const Operand& weights) {
  const int32_t middle = weights.dtype == DType::u8 ? 128 : 0;
  const std::vector<int32_t>& zeros = weights.quantization->zeros;
  const bool fit = std::all_of(zeros.begin(), zeros.end(), [&](int32_t zero) { return zero == middle; });
  return {
      fit && (isa.has(CpuFeature::avx512) ? isa.has(CpuFeature::avx512_vnni) : isa.has(CpuFeature::avx_vnni)) ? 4 : 2,
      levels_tile(isa).columns};
}

LevelColumns::LevelColumns(int64_t n, const LevelsForm& form, LevelRange range) : to(range) {
  const auto size = static_cast<size_t>(round_up<int64_t>(n, form.columns));
  bias.assign(size, 0);
  ratio.assign(size, 1);
}

void gemm_levels(const LevelsJob& job, Isa isa) {
  if (job.m <= 0 || job.n <= 0) return;
  const auto part = TERCEL_PICK(isa, LevelsPart);
  share_out(job, levels_tile(isa),
            [&](int64_t tiles, int64_t tile_begin, int64_t tile_end, int64_t panel_begin, int64_t panel_end) {
              part(job, tiles, tile_begin, tile_end, panel_begin, panel_end);
            });
}

}  // namespace tercel::inline kernels
#endif

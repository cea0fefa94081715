#include "kernels/simd/gemm_levels.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/gemm_levels.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
using DSum = hn::ScalableTag<int32_t>;
using VSum = hn::Vec<DSum>;
using DWeight = hn::Repartition<int16_t, DSum>;
using VWeight = hn::Vec<DWeight>;
using DWide = hn::Repartition<int64_t, DSum>;
using DCount = hn::Repartition<uint64_t, DSum>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(DSum()));

// Two vectors wide; as many rows as leave registers for the two of b and one of each row's levels.
constexpr int kVectors = 2;
constexpr int kRows = HWY_TARGET == HWY_AVX3 ? 8 : 4;
constexpr int kColumns = kVectors * kLanes;
constexpr int64_t kStep = 8;  // levels that are widened at once

/// Eight levels, as 16 bits in each 128-bit block.
template <bool kSigned>
HWY_INLINE VWeight Widen(const uint8_t* levels) {
  using DLevel = hn::Rebind<std::conditional_t<kSigned, int8_t, uint8_t>, DWeight>;
  uint64_t eight;
  std::memcpy(&eight, levels, sizeof(eight));
  return hn::PromoteTo(DWeight(), hn::BitCast(DLevel(), hn::Set(hn::Repartition<uint64_t, DLevel>(), eight)));
}

/// Adds the products of pair kPair of every row's eight levels.
template <int R, int kPair>
HWY_INLINE void AddPair(const VWeight (&levels)[R], const int16_t* HWY_RESTRICT b, VSum (&acc)[R][kVectors]) {
  const DSum d;
  VWeight bv[kVectors];
  for (int v = 0; v < kVectors; ++v) bv[v] = hn::LoadU(DWeight(), b + (kPair * kVectors + v) * 2 * kLanes);
  HWY_UNROLL(8)
  for (int r = 0; r < R; ++r) {
    const auto pair = hn::BitCast(DWeight(), hn::Broadcast<kPair>(hn::BitCast(d, levels[r])));
    // On these targets lane i of the sum takes the products of lanes 2i and 2i + 1, and `none` nothing.
    VSum none = hn::Zero(d);
    for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::ReorderWidenMulAccumulate(d, pair, bv[v], acc[r][v], none);
  }
}

/// shift_to_nearest_even() of tensor/requantize.h on half of the lanes, as 64 bits. The product is moved to where it is
/// positive, by a multiple of 2 after the shift: shifts of unsigned numbers are what every instruction set has.
HWY_INLINE hn::Vec<DWide> ShiftToNearestEven(hn::Vec<DWide> product, hn::Vec<DCount> shift) {
  const DCount d;
  const auto one = hn::Set(d, uint64_t{1}), middle = hn::Set(d, uint64_t{1} << 62);
  const auto value = hn::Add(hn::BitCast(d, product), middle);
  const auto odd = hn::And(hn::Shr(value, shift), one);
  const auto below_half = hn::Sub(hn::Shl(one, hn::Sub(shift, one)), one);
  const auto level = hn::Shr(hn::Add(value, hn::Add(below_half, odd)), shift);
  return hn::BitCast(DWide(), hn::Sub(level, hn::Shr(middle, shift)));
}

HWY_INLINE VSum UpperOfPairs(VSum v) { return hn::BitCast(DSum(), hn::ShiftRight<32>(hn::BitCast(DCount(), v))); }

HWY_INLINE VSum Requantize(VSum sum, VSum multiplier, VSum shift, VSum low, VSum high, VSum zero) {
  const DSum d;
  const auto even_shift = hn::And(hn::BitCast(DCount(), shift), hn::Set(DCount(), uint64_t{0xFFFFFFFF}));
  const auto odd_shift = hn::BitCast(DCount(), UpperOfPairs(shift));
  const auto even = ShiftToNearestEven(hn::MulEven(sum, multiplier), even_shift);
  const auto odd = ShiftToNearestEven(hn::MulEven(UpperOfPairs(sum), UpperOfPairs(multiplier)), odd_shift);
  const auto level = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
  return hn::Add(hn::Min(hn::Max(level, low), high), zero);
}

/// One register tile: R rows of a panel.
template <int R, bool kSigned>
HWY_NOINLINE void LevelsTile(const LevelsJob& job, const uint8_t* const* rows, const int16_t* HWY_RESTRICT b,
                             int64_t row0, int64_t column0, int64_t columns) {
  const DSum d;
  VSum acc[R][kVectors];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::Zero(d);
  constexpr int64_t kPairElements = 2 * kColumns;
  for (int t = 0; t < job.taps; ++t) {
    const uint8_t* HWY_RESTRICT a[R];
    for (int r = 0; r < R; ++r) a[r] = rows[t * kRows + r];
    VWeight levels[R];
    int64_t k = 0;
    for (; k + kStep <= job.depth; k += kStep, b += kStep / 2 * kPairElements) {
      for (int r = 0; r < R; ++r) levels[r] = Widen<kSigned>(a[r] + k);
      AddPair<R, 0>(levels, b, acc);
      AddPair<R, 1>(levels, b, acc);
      AddPair<R, 2>(levels, b, acc);
      AddPair<R, 3>(levels, b, acc);
    }
    const int64_t rest = job.depth - k, pairs = (rest + 1) / 2;
    if (rest == 0) continue;
    for (int r = 0; r < R; ++r) {
      uint8_t last[kStep] = {};  // nothing past a row is read
      for (int64_t i = 0; i < rest; ++i) last[i] = a[r][k + i];
      levels[r] = Widen<kSigned>(last);
    }
    AddPair<R, 0>(levels, b, acc);
    if (pairs > 1) AddPair<R, 1>(levels, b, acc);
    if (pairs > 2) AddPair<R, 2>(levels, b, acc);
    if (pairs > 3) AddPair<R, 3>(levels, b, acc);
    b += pairs * kPairElements;
  }
  const LevelColumns& ends = *job.columns;
  const VSum zero = hn::Set(d, ends.to.zero), low = hn::Set(d, ends.to.low - ends.to.zero),
             high = hn::Set(d, ends.to.high - ends.to.zero);
  HWY_ALIGN int32_t buffer[kColumns];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = column0 + v * kLanes;
      const VSum sum = hn::Add(acc[r][v], hn::LoadU(d, ends.bias.data() + at));
      hn::Store(Requantize(sum, hn::LoadU(d, ends.multiplier.data() + at), hn::LoadU(d, ends.shift.data() + at), low,
                           high, zero),
                d, buffer + v * kLanes);
    }
    uint8_t* out = job.dst + (row0 + r) * job.ldd + column0;
    for (int64_t j = 0; j < columns; ++j) out[j] = static_cast<uint8_t>(buffer[j]);
  }
}
#else
// Plain C++: other targets have no product of pairs in this order, or no vectors at all.
constexpr int kRows = 4, kColumns = 8;

template <int R, bool kSigned>
void LevelsTile(const LevelsJob& job, const uint8_t* const* rows, const int16_t* HWY_RESTRICT b, int64_t row0,
                int64_t column0, int64_t columns) {
  using Level = std::conditional_t<kSigned, int8_t, uint8_t>;
  uint32_t acc[R][kColumns] = {};  // sums wrap on the way
  for (int t = 0; t < job.taps; ++t)
    for (int64_t k = 0; k < job.depth; k += 2, b += 2 * kColumns)
      for (int r = 0; r < R; ++r) {
        const uint8_t* a = rows[t * kRows + r] + k;
        const int32_t first = static_cast<Level>(a[0]), second = k + 1 < job.depth ? static_cast<Level>(a[1]) : 0;
        for (int j = 0; j < kColumns; ++j) acc[r][j] += static_cast<uint32_t>(first * b[2 * j] + second * b[2 * j + 1]);
      }
  const LevelColumns& ends = *job.columns;
  for (int r = 0; r < R; ++r)
    for (int64_t j = 0; j < columns; ++j) {
      const auto at = static_cast<size_t>(column0 + j);
      const auto sum = static_cast<int32_t>(acc[r][j] + static_cast<uint32_t>(ends.bias[at]));
      job.dst[(row0 + r) * job.ldd + column0 + j] =
          static_cast<uint8_t>(requantize(sum, {ends.multiplier[at], ends.shift[at]}, ends.to));
    }
}
#endif

using LevelsTileFn = void (*)(const LevelsJob&, const uint8_t* const*, const int16_t*, int64_t, int64_t, int64_t);

template <bool kSigned>
LevelsTileFn PickLevelsTile(int rows) {
  switch (rows) {
    case 1: return LevelsTile<1, kSigned>;
    case 2: return LevelsTile<2, kSigned>;
    case 3: return LevelsTile<3, kSigned>;
    case 4: return LevelsTile<4, kSigned>;
#if HWY_TARGET == HWY_AVX3
    case 5: return LevelsTile<5, kSigned>;
    case 6: return LevelsTile<6, kSigned>;
    case 7: return LevelsTile<7, kSigned>;
    case 8: return LevelsTile<8, kSigned>;
#endif
  }
  return nullptr;
}

/// Tiles [tile_begin, tile_end) against panels [panel_begin, panel_end). A tile's rows are found once for all panels.
void LevelsPart(const LevelsJob& job, int64_t tiles, int64_t tile_begin, int64_t tile_end, int64_t panel_begin,
                int64_t panel_end) {
  const uint8_t* rows[kMaxTaps * kRows];
  const int64_t panel_size = job.taps * ((job.depth + 1) / 2) * 2 * kColumns;
  for (int64_t t = tile_begin; t < tile_end; ++t) {
    const int64_t first = job.m * t / tiles;
    const int height = static_cast<int>(job.m * (t + 1) / tiles - first);
    list_rows(job, first, height, kRows, rows);
    const LevelsTileFn tile = job.a_signed ? PickLevelsTile<true>(height) : PickLevelsTile<false>(height);
    for (int64_t panel = panel_begin; panel < panel_end; ++panel)
      tile(job, rows, job.b + panel * panel_size, first, panel * kColumns,
           std::min<int64_t>(kColumns, job.n - panel * kColumns));
  }
}

GemmTile LevelsTileSize() { return {kRows, kColumns}; }

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {

GemmTile levels_tile(Isa isa) { return TERCEL_PICK(isa, LevelsTileSize)(); }

size_t packed_levels(int64_t depth, int64_t taps, int64_t n, Isa isa) {
  return static_cast<size_t>(taps * round_up<int64_t>(depth, 2) * round_up<int64_t>(n, levels_tile(isa).columns));
}

LevelColumns::LevelColumns(int64_t n, Isa isa, LevelRange range) : to(range) {
  const auto size = static_cast<size_t>(round_up<int64_t>(n, levels_tile(isa).columns));
  bias.assign(size, 0);
  multiplier.assign(size, 0);
  shift.assign(size, 1);
}

void LevelColumns::set(int64_t column, int32_t bias_of_column, Ratio ratio) {
  const auto at = static_cast<size_t>(column);
  bias[at] = bias_of_column;
  multiplier[at] = ratio.multiplier;
  shift[at] = ratio.shift;
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

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

// Two vectors wide; as many rows as leave registers for the two of b and one of each row's levels.
constexpr int kVectors = 2;
constexpr int kRows = HWY_TARGET == HWY_AVX3 ? 8 : 4;
constexpr int kColumns = kVectors * kLanes;
constexpr int64_t kStep = 8;  // levels that are widened at once

using Sums = VSum[kVectors];

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
HWY_INLINE void AddPair(const VWeight (&levels)[R], const int16_t* HWY_RESTRICT b, Sums (&acc)[R]) {
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

/// The rows `a` of one tap against pairs of 16-bit weights.
template <int R, bool kSigned>
HWY_INLINE void AddTap(const uint8_t* const (&a)[R], int64_t depth, const int16_t* HWY_RESTRICT b, Sums (&acc)[R]) {
  constexpr int64_t kPairElements = 2 * kColumns;
  VWeight levels[R];
  int64_t k = 0;
  for (; k + kStep <= depth; k += kStep, b += kStep / 2 * kPairElements) {
    for (int r = 0; r < R; ++r) levels[r] = Widen<kSigned>(a[r] + k);
    AddPair<R, 0>(levels, b, acc);
    AddPair<R, 1>(levels, b, acc);
    AddPair<R, 2>(levels, b, acc);
    AddPair<R, 3>(levels, b, acc);
  }
  const int64_t rest = depth - k, pairs = (rest + 1) / 2;
  if (rest == 0) return;
  for (int r = 0; r < R; ++r) {
    uint8_t last[kStep] = {};  // nothing past a row is read
    for (int64_t i = 0; i < rest; ++i) last[i] = a[r][k + i];
    levels[r] = Widen<kSigned>(last);
  }
  AddPair<R, 0>(levels, b, acc);
  if (pairs > 1) AddPair<R, 1>(levels, b, acc);
  if (pairs > 2) AddPair<R, 2>(levels, b, acc);
  if (pairs > 3) AddPair<R, 3>(levels, b, acc);
}

/// The same against quads of 8-bit weights. Signed rows are taken as their levels + 128: the bias knows.
template <int R, bool kSigned>
HWY_INLINE void AddTap(const uint8_t* const (&a)[R], int64_t depth, const int8_t* HWY_RESTRICT b, Sums (&acc)[R]) {
  const DSum d;
  const hn::Repartition<int8_t, DSum> d8;
  const auto add = [&](const int32_t(&quads)[R]) HWY_ATTR {
    hn::Vec<decltype(d8)> bv[kVectors];
    for (int v = 0; v < kVectors; ++v) bv[v] = hn::LoadU(d8, b + v * 4 * kLanes);
    b += 4 * kColumns;
    HWY_UNROLL(8)
    for (int r = 0; r < R; ++r) {
      const VSum quad = hn::Set(d, kSigned ? quads[r] ^ static_cast<int32_t>(0x80808080) : quads[r]);
      for (int v = 0; v < kVectors; ++v) acc[r][v] = AddDotsOfQuads(acc[r][v], quad, hn::BitCast(d, bv[v]));
    }
  };
  int32_t quads[R];
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4) {
    for (int r = 0; r < R; ++r) std::memcpy(&quads[r], a[r] + k, 4);
    add(quads);
  }
  if (k == depth) return;
  for (int r = 0; r < R; ++r) {
    quads[r] = 0;
    for (int64_t i = 0; i < depth - k; ++i) quads[r] |= int32_t{a[r][k + i]} << 8 * i;
  }
  add(quads);
}

/// One register tile: R rows of a panel, whose weights are of type W.
template <int R, bool kSigned, typename W>
HWY_NOINLINE void LevelsTile(const LevelsJob& job, const uint8_t* const* rows, const std::byte* panel, int64_t row0,
                             int64_t column0, int64_t columns) {
  const DSum d;
  Sums acc[R];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::Zero(d);
  const W* HWY_RESTRICT b = reinterpret_cast<const W*>(panel);
  for (int t = 0; t < job.taps; ++t, b += round_up<int64_t>(job.depth, kGroupOf<W>) * kColumns) {
    const uint8_t* a[R];
    for (int r = 0; r < R; ++r) a[r] = rows[t * kRows + r];
    AddTap<R, kSigned>(a, job.depth, b, acc);
  }
  const LevelColumns& ends = *job.columns;
  const Requantizer<DSum> requantize(d, ends.to);
  HWY_ALIGN int32_t buffer[kColumns];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = column0 + v * kLanes;
      const VSum sum = hn::Add(acc[r][v], hn::LoadU(d, ends.bias.data() + at));
      hn::Store(requantize(sum, hn::LoadU(hn::Rebind<float, DSum>(), ends.ratio.data() + at)), d, buffer + v * kLanes);
    }
    uint8_t* out = job.dst + (row0 + r) * job.ldd + column0;
    for (int64_t j = 0; j < columns; ++j) out[j] = static_cast<uint8_t>(buffer[j]);
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
  const LevelColumns& ends = *job.columns;
  for (int r = 0; r < R; ++r)
    for (int64_t j = 0; j < columns; ++j) {
      const auto at = static_cast<size_t>(column0 + j);
      const auto sum = static_cast<int32_t>(acc[r][j] + static_cast<uint32_t>(ends.bias[at]));
      job.dst[(row0 + r) * job.ldd + column0 + j] =
          static_cast<uint8_t>(requantize(sum, *ratio_of(ends.ratio[at]), ends.to));
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
#if HWY_TARGET == HWY_AVX3
    case 5: return LevelsTile<5, kSigned, W>;
    case 6: return LevelsTile<6, kSigned, W>;
    case 7: return LevelsTile<7, kSigned, W>;
    case 8: return LevelsTile<8, kSigned, W>;
#endif
  }
  return nullptr;
}

/// Tiles [tile_begin, tile_end) against panels [panel_begin, panel_end). A tile's rows are found once for all panels.
template <bool kSigned, typename W>
void PartOf(const LevelsJob& job, int64_t tiles, int64_t tile_begin, int64_t tile_end, int64_t panel_begin,
            int64_t panel_end) {
  const uint8_t* rows[kMaxTaps * kRows];
  const size_t panel_bytes = packed_levels(job.depth, job.taps, kColumns, {kGroupOf<W>, kColumns});
  for (int64_t t = tile_begin; t < tile_end; ++t) {
    const int64_t first = job.m * t / tiles;
    const int height = static_cast<int>(job.m * (t + 1) / tiles - first);
    list_rows(job, first, height, kRows, rows);
    const LevelsTileFn tile = PickLevelsTile<kSigned, W>(height);
    for (int64_t panel = panel_begin; panel < panel_end; ++panel)
      tile(job, rows, job.b + static_cast<size_t>(panel) * panel_bytes, first, panel * kColumns,
           std::min<int64_t>(kColumns, job.n - panel * kColumns));
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

#include "codec/rans/dec_groups.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/rans/dec_groups.cc"
// clang-format off
#include "base/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include "codec/rans/table.h"

#ifndef TERCEL_DEC_GROUPS_ONCE
#define TERCEL_DEC_GROUPS_ONCE
namespace tercel::codec {

/// kSpread[mask]: for each of eight lanes, how many lanes of the mask stand before it.
inline constexpr auto kSpread = [] {
  std::array<std::array<uint8_t, 8>, 256> spread{};
  for (size_t mask = 0; mask < 256; ++mask) {
    uint8_t before = 0;
    for (size_t lane = 0; lane < 8; ++lane) {
      spread[mask][lane] = before;
      before = static_cast<uint8_t>(before + (mask >> lane & 1));
    }
  }
  return spread;
}();

}  // namespace tercel::codec
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::codec {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

using D = hn::ScalableTag<uint32_t>;
using V = hn::Vec<D>;

/// The next words, one for each lane of the mask in lane order; Highway has no expanding load.
HWY_INLINE V SpreadWords(const std::byte* next, hn::Mask<D> mask, size_t& count) {
#if HWY_TARGET == HWY_AVX3
  count = static_cast<size_t>(__builtin_popcount(mask.raw));
  const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(next)));
  return V{_mm512_maskz_expand_epi32(mask.raw, words)};
#else
  const auto bits = static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(mask.raw)));
  count = static_cast<size_t>(__builtin_popcount(bits));
  const __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(next)));
  const __m256i lanes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kSpread[bits].data())));
  return V{_mm256_permutevar8x32_epi32(words, lanes)};
#endif
}

template <bool kOffsets, typename T>
int64_t Groups(RansGroups& state, int64_t groups, int32_t bias, T* dst) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::RebindToFloat<D> df;
  constexpr size_t kLanes = hn::MaxLanes(D());
  constexpr size_t kVectors = kWideLanes / kLanes;
  static_assert(hn::MaxLanes(D()) * kVectors == kWideLanes);
  V x[kVectors];
  for (size_t v = 0; v < kVectors; ++v) x[v] = hn::LoadU(d, state.states.data() + v * kLanes);
  const V slot_mask = hn::Set(d, kTableSize - 1), frequency_mask = hn::Set(d, 0xFFF), one = hn::Set(d, 1);
  const std::byte* next = state.next;
  int64_t column = state.column, group = 0;
  // A vector loads kLanes words where it may need fewer.
  for (; group < groups && state.end - next >= static_cast<ptrdiff_t>(4 * kWideLanes); ++group) {
    for (size_t v = 0; v < kVectors; ++v) {
      V index = hn::And(x[v], slot_mask);
      if (kOffsets) index = hn::Add(index, hn::LoadU(d, state.offsets + column + static_cast<int64_t>(v * kLanes)));
      const V slot = hn::GatherIndex(d, state.slots, hn::BitCast(di, index));
      const V frequency = hn::Add(hn::And(hn::ShiftRight<8>(slot), frequency_mask), one);
      x[v] = hn::Add(hn::Mul(frequency, hn::ShiftRight<kTableBits>(x[v])), hn::ShiftRight<20>(slot));
      const auto level = hn::Add(hn::BitCast(di, hn::And(slot, hn::Set(d, 0xFF))), hn::Set(di, bias));
      T* to = dst + group * static_cast<int64_t>(kWideLanes) + v * kLanes;
      if constexpr (std::is_floating_point_v<T>) hn::StoreU(hn::ConvertTo(df, level), df, to);
      else hn::StoreU(level, di, to);
      const auto hungry = hn::Eq(hn::ShiftRight<16>(x[v]), hn::Zero(d));
      size_t count;
      const V words = SpreadWords(next, hungry, count);
      x[v] = hn::IfThenElse(hungry, hn::Or(hn::ShiftLeft<16>(x[v]), words), x[v]);
      next += 2 * count;
    }
    if (kOffsets) {
      column += static_cast<int64_t>(kWideLanes);
      if (column >= state.columns) column %= state.columns;
    }
  }
  for (size_t v = 0; v < kVectors; ++v) hn::StoreU(x[v], d, state.states.data() + v * kLanes);
  state.next = next;
  state.column = column;
  return group;
}

int64_t IntGroups(RansGroups& state, int64_t groups, int32_t bias, int32_t* dst) {
  return state.offsets == nullptr ? Groups<false>(state, groups, bias, dst) : Groups<true>(state, groups, bias, dst);
}
int64_t FloatGroups(RansGroups& state, int64_t groups, int32_t bias, float* dst) {
  return state.offsets == nullptr ? Groups<false>(state, groups, bias, dst) : Groups<true>(state, groups, bias, dst);
}

#else

int64_t IntGroups(RansGroups&, int64_t, int32_t, int32_t*) { return 0; }
int64_t FloatGroups(RansGroups&, int64_t, int32_t, float*) { return 0; }

#endif

}  // namespace HWY_NAMESPACE
}  // namespace tercel::codec
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::codec {

DecodeGroups<int32_t> int_groups(Isa isa) { return TERCEL_PICK(isa, IntGroups); }
DecodeGroups<float> float_groups(Isa isa) { return TERCEL_PICK(isa, FloatGroups); }

}  // namespace tercel::codec
#endif

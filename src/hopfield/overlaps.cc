#include "hopfield/overlaps.h"

#include <bit>

#include "base/check.h"

// The target with VPOPCNTDQ (Ice Lake and newer) is one that Highway compiles only when asked.
#define HWY_WANT_AVX3_DL

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hopfield/overlaps.cc"
// clang-format off
#include "base/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tercel::inline hopfield {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Set bits of probe xor row.
HWY_ATTR inline int64_t Differences(const uint64_t* probe, const uint64_t* row, int64_t words) {
  int64_t i = 0, total = 0;
#if HWY_TARGET <= HWY_AVX3
  // A vector counts itself, or by table lookups where there is no instruction; either pays from 512 bits on.
  const hn::ScalableTag<uint64_t> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sums = hn::Zero(d);
  for (; i + lanes <= words; i += lanes)
    sums = hn::Add(sums, hn::PopulationCount(hn::Xor(hn::LoadU(d, probe + i), hn::LoadU(d, row + i))));
  total = static_cast<int64_t>(hn::GetLane(hn::SumOfLanes(d, sums)));
#endif
  // One POPCNT a word: with AVX2, no slower than any arrangement of lookups up to 4096 bits.
  int64_t parts[4] = {0, 0, 0, 0};
  for (; i + 4 <= words; i += 4)
    for (int64_t k = 0; k < 4; ++k) parts[k] += std::popcount(probe[i + k] ^ row[i + k]);
  for (; i < words; ++i) total += std::popcount(probe[i] ^ row[i]);
  return total + parts[0] + parts[1] + parts[2] + parts[3];
}

HWY_ATTR void Overlaps(const uint64_t* probe, const uint64_t* rows, int64_t words, int64_t count, int64_t bits,
                       int32_t* out) {
  for (int64_t k = 0; k < count; ++k)
    out[k] = static_cast<int32_t>(bits - 2 * Differences(probe, rows + k * words, words));
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline hopfield
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline hopfield {

OverlapsFunction overlaps_for(const Isa& isa) {
#if HWY_TARGETS & HWY_AVX3_DL
  if (isa.has(CpuFeature::avx512_vnni) && isa.has(CpuFeature::avx512_icelake)) return &N_AVX3_DL::Overlaps;
#endif
  return TERCEL_PICK(isa, Overlaps);
}

void overlaps(const uint64_t* probe, const BitPatterns& patterns, std::span<int32_t> out) {
  static const OverlapsFunction run = overlaps_for(chosen_isa());
  TERCEL_CHECK(static_cast<int64_t>(out.size()) == patterns.count());
  run(probe, patterns.row(0), patterns.words(), patterns.count(), patterns.bits(), out.data());
}

std::vector<int32_t> overlaps(const uint64_t* probe, const BitPatterns& patterns) {
  std::vector<int32_t> out(static_cast<size_t>(patterns.count()));
  overlaps(probe, patterns, out);
  return out;
}

}  // namespace tercel::inline hopfield
#endif

// The inner loop that all fp32 products share: a register tile of rows found by address times a panel of columns.
#if defined(TERCEL_KERNELS_SIMD_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERCEL_KERNELS_SIMD_TILE_INL_H_
#undef TERCEL_KERNELS_SIMD_TILE_INL_H_
#else
#define TERCEL_KERNELS_SIMD_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "kernels/simd/part-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));

// Two vectors wide; as many rows as leave registers for the two of b and one of a: 12 x 2 of 32 registers, 6 x 2 of 16.
constexpr int kVectors = 2;
constexpr int kRows = HWY_TARGET == HWY_AVX3 ? 12 : 6;
constexpr int kColumns = kVectors * kLanes;

// Tiles prefetch what comes after them, line by line, every so many steps of their sums.
constexpr int64_t kPrefetchDepth = 32, kLineBytes = 64, kLineFloats = kLineBytes / 4;

/// acc[r] += a[r][k] * b[k] for k in [begin, end), `NV` vectors of each panel row of b, which moves on.
template <int R, int NV>
HWY_INLINE void MultiplyAdd(V (&acc)[R][NV], const float* HWY_RESTRICT const (&a)[R], const float* HWY_RESTRICT& b,
                            int64_t begin, int64_t end) {
  const D d;
  for (int64_t k = begin; k < end; ++k) {
    V bv[NV];
    for (int v = 0; v < NV; ++v) bv[v] = hn::Load(d, b + v * kLanes);
    b += kColumns;
    HWY_UNROLL(12)
    for (int r = 0; r < R; ++r) {
      const V av = hn::Set(d, a[r][k]);
      for (int v = 0; v < NV; ++v) acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
    }
  }
}

/// The same with weights of bf16, which are the upper halves of floats: pairs of k in 32 bits. begin is even.
template <int R, int NV>
HWY_INLINE void MultiplyAdd(V (&acc)[R][NV], const float* HWY_RESTRICT const (&a)[R], const uint16_t* HWY_RESTRICT& b,
                            int64_t begin, int64_t end) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  for (int64_t k = begin; k < end; k += 2) {
    const auto pair = [&](int v) HWY_ATTR { return hn::LoadU(du, reinterpret_cast<const uint32_t*>(b) + v * kLanes); };
    V bv[NV];
    for (int v = 0; v < NV; ++v) bv[v] = hn::BitCast(d, hn::ShiftLeft<16>(pair(v)));
    HWY_UNROLL(12)
    for (int r = 0; r < R; ++r) {
      const V av = hn::Set(d, a[r][k]);
      for (int v = 0; v < NV; ++v) acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
    }
    if (k + 1 < end) {
      for (int v = 0; v < NV; ++v) bv[v] = hn::BitCast(d, hn::And(pair(v), hn::Set(du, 0xFFFF0000u)));
      HWY_UNROLL(12)
      for (int r = 0; r < R; ++r) {
        const V av = hn::Set(d, a[r][k + 1]);
        for (int v = 0; v < NV; ++v) acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
      }
    }
    b += 2 * kColumns;
  }
}

#if HWY_TARGET == HWY_AVX3
/// The weights of MultiplyByPairs.
struct Bf16Pair {
  uint16_t bits;
};

/// The same by products of pairs (AVX512_BF16), rows rounded to bf16 first. In the assembler's words, since a target of
/// Highway's that has the instructions also asks for what this kernel does not need.
template <int R, int NV>
HWY_INLINE void MultiplyAdd(V (&acc)[R][NV], const float* HWY_RESTRICT const (&a)[R], const Bf16Pair* HWY_RESTRICT& b,
                            int64_t begin, int64_t end) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint16_t, D> d16;
  constexpr int64_t kRounded = 64;  // of each row at once
  HWY_ALIGN uint16_t rounded[R][kRounded];
  for (int64_t k = begin; k < end; k += kRounded) {
    const int64_t count = std::min(kRounded, end - k);
    for (int r = 0; r < R; ++r)
      for (int64_t i = 0; i < count; i += kLanes) {
        const V x = LoadPart(d, a[r] + k + i, count - i);
        hn::Vec<decltype(d16)> half;
        asm("vcvtneps2bf16 %1, %0" : "=v"(half.raw) : "v"(x.raw));
        hn::StoreU(half, d16, rounded[r] + i);
      }
    for (int64_t i = 0; i < count; i += 2, b += 2 * kColumns) {
      hn::Vec<decltype(di)> bv[NV];
      for (int v = 0; v < NV; ++v) bv[v] = hn::LoadU(di, reinterpret_cast<const int32_t*>(b) + v * kLanes);
      HWY_UNROLL(12)
      for (int r = 0; r < R; ++r) {
        int32_t pair;
        std::memcpy(&pair, rounded[r] + i, sizeof pair);
        const auto both = hn::Set(di, pair);
        for (int v = 0; v < NV; ++v) asm("vdpbf16ps %2, %1, %0" : "+v"(acc[r][v].raw) : "v"(both.raw), "v"(bv[v].raw));
      }
    }
  }
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#endif

// The inner loop that all fp32 products share: a register tile of rows found by address times a panel of columns.
#if defined(TERCEL_KERNELS_SIMD_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERCEL_KERNELS_SIMD_TILE_INL_H_
#undef TERCEL_KERNELS_SIMD_TILE_INL_H_
#else
#define TERCEL_KERNELS_SIMD_TILE_INL_H_
#endif

#include <hwy/highway.h>

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
constexpr int64_t kPrefetchDepth = 32, kLineFloats = 16;

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

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#endif

// The last few elements of a row, fewer than a vector holds: masked, so that nothing past the row is touched.
#if defined(TERCEL_KERNELS_SIMD_PART_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERCEL_KERNELS_SIMD_PART_INL_H_
#undef TERCEL_KERNELS_SIMD_PART_INL_H_
#else
#define TERCEL_KERNELS_SIMD_PART_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The first `count` lanes from `from`, 0 in the others; all lanes where count is not below their number.
template <class D>
HWY_INLINE hn::Vec<D> LoadPart(D d, const float* from, int64_t count) {
  if (count >= static_cast<int64_t>(hn::Lanes(d))) return hn::LoadU(d, from);
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(count)), d, from);
}

template <class D>
HWY_INLINE void StorePart(hn::Vec<D> v, D d, float* to, int64_t count) {
  if (count >= static_cast<int64_t>(hn::Lanes(d))) hn::StoreU(v, d, to);
  else hn::BlendedStore(v, hn::FirstN(d, static_cast<size_t>(count)), d, to);
}

/// The larger; a NaN wins.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V MaxOrNaN(D, V a, V b) {
  return hn::IfThenElse(hn::Eq(a, a), hn::IfThenElse(hn::Gt(a, b), a, b), a);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V MinOrNaN(D, V a, V b) {
  return hn::IfThenElse(hn::Eq(a, a), hn::IfThenElse(hn::Lt(a, b), a, b), a);
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#endif

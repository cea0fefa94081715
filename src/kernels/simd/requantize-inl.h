// Sums of products of levels, and what they become: the vector form of tensor/requantize.h.
#if defined(TERCEL_KERNELS_SIMD_REQUANTIZE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERCEL_KERNELS_SIMD_REQUANTIZE_INL_H_
#undef TERCEL_KERNELS_SIMD_REQUANTIZE_INL_H_
#else
#define TERCEL_KERNELS_SIMD_REQUANTIZE_INL_H_
#endif

#include <hwy/highway.h>

#include "tensor/requantize.h"

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

/// The low bytes of int32 lanes: levels of either type.
template <class D>
HWY_INLINE void StoreBytes(D, hn::Vec<D> levels, uint8_t* to) {
  const hn::Rebind<uint32_t, D> du;
  const auto bytes = hn::And(hn::BitCast(du, levels), hn::Set(du, 0xFF));
  hn::StoreU(hn::U8FromU32(bytes), hn::Rebind<uint8_t, D>(), to);
}

/// sums[i] + the four products of u8 and i8 in lane i, exactly: VNNI. In the assembler's words, since a target of
/// Highway's that has the instruction also asks for what this kernel does not need.
template <class V>
HWY_INLINE V AddDotsOfQuads(V sums, V u8, V i8) {
#if HWY_TARGET == HWY_AVX3
  asm("vpdpbusd %2, %1, %0" : "+v"(sums.raw) : "v"(u8.raw), "v"(i8.raw));
#else
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums.raw) : "x"(u8.raw), "x"(i8.raw));
#endif
  return sums;
}

/// clamp(zero + round(x), low, high) by one rounding, halves to even: beside 1.5 * 2^52 a double, and beside 1.5 * 2^23
/// a float, has no bits left for fractions, and a fused product is exact before it is rounded. |x| < 2^31.
template <class D>
class Requantizer {
 public:
  using V = hn::Vec<D>;
  using DReal = hn::Repartition<double, D>;
  using VReal = hn::Vec<DReal>;
  Requantizer(D d, LevelRange to)
      : zero_(hn::Set(d, to.zero)), low_(hn::Set(d, to.low - to.zero)), high_(hn::Set(d, to.high - to.zero)) {}

  /// x = sum * ratio, as int32.
  HWY_INLINE V operator()(V sum, hn::Vec<hn::Rebind<float, D>> ratio) const {
    const hn::Rebind<float, hn::Half<D>> df;
    return OfProducts(Lower(sum), hn::PromoteTo(DReal(), hn::LowerHalf(df, ratio)), Upper(sum),
                      hn::PromoteTo(DReal(), hn::UpperHalf(df, ratio)));
  }

  /// The same in floats, for sums that floats_requantize().
  HWY_INLINE V OfSmallSum(V sum, hn::Vec<hn::Rebind<float, D>> ratio) const {
    const D d;
    const hn::Rebind<float, D> df;
    const auto magic = hn::Set(df, 0x1.8p23f);
    const V level = hn::Sub(hn::BitCast(d, hn::MulAdd(hn::ConvertTo(df, sum), ratio, magic)), hn::BitCast(d, magic));
    return hn::Add(hn::Min(hn::Max(level, low_), high_), zero_);
  }

  /// x = a * b in the lower lanes, c * e in the upper ones.
  HWY_INLINE V OfProducts(VReal a, VReal b, VReal c, VReal e) const {
    const D d;
    const VReal magic = hn::Set(DReal(), 0x1.8p52);
    const V level = hn::ConcatEven(d, hn::BitCast(d, hn::MulAdd(c, e, magic)), hn::BitCast(d, hn::MulAdd(a, b, magic)));
    return hn::Add(hn::Min(hn::Max(level, low_), high_), zero_);
  }

  static HWY_INLINE VReal Lower(V v) { return hn::PromoteTo(DReal(), hn::LowerHalf(hn::Half<D>(), v)); }
  static HWY_INLINE VReal Upper(V v) { return hn::PromoteTo(DReal(), hn::UpperHalf(hn::Half<D>(), v)); }

 private:
  V zero_, low_, high_;
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#endif

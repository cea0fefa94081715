// Activations on vectors; the scalar functions in kernels/activation.cc are the definition. A NaN stays NaN: Highway's
// Min and Max lose it, so comparisons that are false for NaN choose instead.
#if defined(TERCEL_KERNELS_SIMD_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERCEL_KERNELS_SIMD_ACTIVATION_INL_H_
#undef TERCEL_KERNELS_SIMD_ACTIVATION_INL_H_
#else
#define TERCEL_KERNELS_SIMD_ACTIVATION_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "kernels/activation.h"

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V = hn::Vec<D>>
HWY_INLINE V KeepNaN(D, V x, V y) {
  return hn::IfThenElse(hn::Eq(x, x), y, x);
}

/// Where low > high the answer is high; a NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Clip(D, V x, V low, V high) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::Min(high, hn::Max(low, x));  // these give their second operand where one is no number
#endif
  x = hn::IfThenElse(hn::Lt(x, low), low, x);
  return hn::IfThenElse(hn::Gt(x, high), high, x);
}

/// exp(-x) + more, within 2 in the last place of it: 0 + more from 88 on, infinite below -88.4 (exp(88.4) = 2.5e38). The
/// sum costs nothing, since the power of two is multiplied in last. Half of what hn::Exp takes.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpOfMinus(D d, V x, V more) {
  const hn::RebindToSigned<D> di;
  const V bounded = Clip(d, x, hn::Set(d, -88.8f), hn::Set(d, 88.0f));
  // Adding 1.5 * 2^23 rounds to an integer n in the last bits; 127 more, and they are the exponent of 2^n.
  const V rounder = hn::Set(d, 12582912.0f + 127);
  const V n = hn::NegMulAdd(bounded, hn::Set(d, 1.44269504f), rounder);
  const V r = hn::MulAdd(hn::Sub(n, rounder), hn::Set(d, 0.69314718f), bounded);  // -x = n ln 2 - r, |r| <= ln 2 / 2
  V p = hn::MulAdd(r, hn::Set(d, 1.0f / 720), hn::Set(d, -1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, -1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, -1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  return hn::MulAdd(p, hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, n))), more);
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, ExpOfMinus(d, x, one));
}

/// Abramowitz and Stegun 7.1.26: |error| <= 1.5e-7, which is float's own resolution at erf's values near 1.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Erf(D d, V x) {
  const V a = hn::Abs(x);
  const V t = hn::Div(hn::Set(d, 1.0f), hn::MulAdd(a, hn::Set(d, 0.3275911f), hn::Set(d, 1.0f)));
  V p = hn::MulAdd(hn::Set(d, 1.061405429f), t, hn::Set(d, -1.453152027f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.421413741f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.284496736f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.254829592f));
  const V e = ExpOfMinus(d, hn::Mul(a, a), hn::Zero(d));
  return hn::CopySign(hn::NegMulAdd(hn::Mul(p, t), e, hn::Set(d, 1.0f)), x);
}

/// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Softplus(D d, V x) {
  return KeepNaN(d, x, hn::Add(hn::Max(x, hn::Zero(d)), hn::Log1p(d, ExpOfMinus(d, hn::Abs(x), hn::Zero(d)))));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V TanhOf(D d, V x) {
  // tanh(x) = 2 sigmoid(2x) - 1 loses digits near 0, where the series x - x^3/3 + 2x^5/15 has them.
  const V two = hn::Set(d, 2.0f);
  const V far = hn::MulSub(two, Sigmoid(d, hn::Mul(two, x)), hn::Set(d, 1.0f));
  const V s = hn::Mul(x, x);
  const V near = hn::MulAdd(hn::Mul(x, s), hn::MulAdd(s, hn::Set(d, 0.13333333f), hn::Set(d, -0.33333333f)), x);
  return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, 0.1f)), near, far);
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Activate(D d, Activation kind, V x, V alpha, V beta) {
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  switch (kind) {
    case Activation::none: return x;
    case Activation::relu: return hn::IfThenElse(hn::Lt(x, zero), zero, x);
    case Activation::clip: return Clip(d, x, alpha, beta);
    case Activation::leaky_relu: return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(x, alpha), x);
    case Activation::hard_sigmoid: return Clip(d, hn::MulAdd(x, alpha, beta), zero, one);
    case Activation::hard_swish:
      return hn::Mul(x, Clip(d, hn::MulAdd(x, hn::Set(d, 1.0f / 6), hn::Set(d, 0.5f)), zero, one));
    case Activation::sigmoid: return Sigmoid(d, x);
    case Activation::tanh: return TanhOf(d, x);
    case Activation::silu: return hn::Div(x, ExpOfMinus(d, x, one));
    case Activation::gelu: {
      const V half = hn::Mul(x, hn::Set(d, 0.5f));
      return hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, 0.70710678f))), half);
    }
    case Activation::gelu_tanh: {
      const V inner =
          hn::Mul(hn::Set(d, 0.7978845608f), hn::MulAdd(hn::Mul(hn::Set(d, 0.044715f), hn::Mul(x, x)), x, x));
      const V half = hn::Mul(x, hn::Set(d, 0.5f));
      return hn::MulAdd(half, TanhOf(d, inner), half);
    }
    case Activation::elu: return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(alpha, hn::Expm1(d, hn::Min(x, zero))), x);
    case Activation::softplus: return Softplus(d, x);
    case Activation::mish: return hn::Mul(x, TanhOf(d, Softplus(d, x)));
  }
  return x;
}

/// In place over `count` elements. Not inlined: kernels call it on a row they have just written, still in
/// L1.
inline HWY_NOINLINE void ActivateRow(Activation kind, float alpha, float beta, float* row, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto va = hn::Set(d, alpha), vb = hn::Set(d, beta);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(Activate(d, kind, hn::LoadU(d, row + i), va, vb), d, row + i);
  if (i == count) return;
  HWY_ALIGN float rest[hn::MaxLanes(d)] = {};
  for (int64_t j = i; j < count; ++j) rest[j - i] = row[j];
  hn::Store(Activate(d, kind, hn::Load(d, rest), va, vb), d, rest);
  for (int64_t j = i; j < count; ++j) row[j] = rest[j - i];
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#endif

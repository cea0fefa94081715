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

#include <array>
#include <cmath>
#include <utility>

#include "kernels/activation.h"

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V = hn::Vec<D>>
HWY_INLINE V KeepNaN(D, V x, V y) {
  return hn::IfThenElse(hn::Eq(x, x), y, x);
}

/// max(low, x); a NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V AtLeast(D, V low, V x) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::Max(low, x);  // gives its second operand where one is no number
#endif
  return hn::IfThenElse(hn::Lt(x, low), low, x);
}

/// min(high, x); a NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V AtMost(D, V high, V x) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::Min(high, x);
#endif
  return hn::IfThenElse(hn::Gt(x, high), high, x);
}

/// Where low > high the answer is high; a NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Clip(D d, V x, V low, V high) {
  return AtMost(d, high, AtLeast(d, low, x));
}

/// exp(-x) + more, within 2 in the last place of it: 0 + more from 88 on, infinite below -88.4 (exp(88.4) = 2.5e38).
/// The sum costs nothing, since the power of two is multiplied in last. Half of what hn::Exp takes.
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

/// x P(x^2) / Q(x^2), fitted to erf(x) / x on [0, 3.9] for the least relative error, 2e-8 before rounding; from there
/// on erf is 1 to float's precision, and P is larger by 2^-23, so that the quotient is cut to 1. |error| <= 4e-7.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Erf(D d, V x) {
  const V end = hn::Set(d, 3.9f), one = hn::Set(d, 1.0f);
  const V u = Clip(d, x, hn::Neg(end), end);
  const V s = hn::Mul(u, u);
  V p = hn::MulAdd(s, hn::Set(d, 2.06649845e-6f), hn::Set(d, 2.85059645e-4f));
  V q = hn::MulAdd(s, hn::Set(d, 3.82701417e-5f), hn::Set(d, 1.15734678e-3f));
  p = hn::MulAdd(p, s, hn::Set(d, 3.73822463e-3f));
  q = hn::MulAdd(q, s, hn::Set(d, 0.0149140349f));
  p = hn::MulAdd(p, s, hn::Set(d, 0.0526677187f));
  q = hn::MulAdd(q, s, hn::Set(d, 0.113817782f));
  p = hn::MulAdd(p, s, hn::Set(d, 0.189663985f));
  q = hn::MulAdd(q, s, hn::Set(d, 0.501418093f));
  p = hn::MulAdd(p, s, hn::Set(d, 1.12837928f));
  q = hn::MulAdd(q, s, one);
  return Clip(d, hn::Div(hn::Mul(u, p), q), hn::Neg(one), one);
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

/// Ends that are a clamp, so that they cost little where results leave registers.
inline bool is_clamp(Activation kind) {
  return kind == Activation::none || kind == Activation::relu || kind == Activation::clip;
}

/// The bounds of such an end; of others, none.
struct Clamp {
  Clamp(Activation kind, float alpha, float beta) {
    if (kind == Activation::relu) low = 0;
    if (kind == Activation::clip) low = alpha, high = beta;
  }
  float low = -HUGE_VALF, high = HUGE_VALF;
};

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Activate(D d, Activation kind, V x, V alpha, V beta) {
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  switch (kind) {
    case Activation::none: return x;
    case Activation::relu: return AtLeast(d, zero, x);
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

/// One function for each activation, so that its constants stay in registers.
template <Activation kKind>
void ActivateRowWith(float alpha, float beta, float* row, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto va = hn::Set(d, alpha), vb = hn::Set(d, beta);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(Activate(d, kKind, hn::LoadU(d, row + i), va, vb), d, row + i);
  if (i == count) return;
  HWY_ALIGN float rest[hn::MaxLanes(d)] = {};
  for (int64_t j = i; j < count; ++j) rest[j - i] = row[j];
  hn::Store(Activate(d, kKind, hn::Load(d, rest), va, vb), d, rest);
  for (int64_t j = i; j < count; ++j) row[j] = rest[j - i];
}

/// In place over `count` elements: kernels call it on what they have just written, still in L1.
inline void ActivateRow(Activation kind, float alpha, float beta, float* row, int64_t count) {
  static constexpr auto kByKind = []<size_t... i>(std::index_sequence<i...>) {
    return std::array{&ActivateRowWith<static_cast<Activation>(i)>...};
  }
  (std::make_index_sequence<static_cast<size_t>(Activation::mish) + 1>());
  kByKind[static_cast<size_t>(kind)](alpha, beta, row, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#endif

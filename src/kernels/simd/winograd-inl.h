// Winograd's three transforms along one axis, on vectors of channels; winograd_points.h says what they are. Everything
// is unrolled by templates, so that values stay in registers.
#if defined(TERCEL_KERNELS_SIMD_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERCEL_KERNELS_SIMD_WINOGRAD_INL_H_
#undef TERCEL_KERNELS_SIMD_WINOGRAD_INL_H_
#else
#define TERCEL_KERNELS_SIMD_WINOGRAD_INL_H_
#endif

#include "kernels/simd/tile-inl.h"
#include "kernels/simd/winograd_points.h"

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// sum + q(K) x[2K] + ... + q(0) x[0], q without pair `But`.
template <int M, int But, int K>
HWY_INLINE V AddTerms(const V* x, V sum) {
  if constexpr (K < 0) {
    return sum;
  } else {
    constexpr auto kFactor = static_cast<float>(Winograd<M>::q(K, But));
    return AddTerms<M, But, K - 1>(x, hn::MulAdd(hn::Set(D(), kFactor), x[2 * K], sum));
  }
}

/// Q, or Q without a pair, on every other x; its first coefficient is 1.
template <int M, int But>
HWY_INLINE V QOf(const V* x) {
  constexpr int kDegree = Winograd<M>::kPairs - (But < 0 ? 0 : 1);
  return AddTerms<M, But, kDegree - 1>(x, x[2 * kDegree]);
}

template <int M, int Pair>
HWY_INLINE void InputAtPairs(const V* x, V* y) {
  if constexpr (Pair < Winograd<M>::kPairs) {
    constexpr auto kPoint = static_cast<float>(Winograd<M>::point(Pair));
    const V even = QOf<M, Pair>(x + 2), odd = QOf<M, Pair>(x + 1);
    if constexpr (kPoint == 1) {
      y[1 + 2 * Pair] = hn::Add(even, odd);
      y[2 + 2 * Pair] = hn::Sub(even, odd);
    } else {
      const V point = hn::Set(D(), kPoint);
      y[1 + 2 * Pair] = hn::MulAdd(point, odd, even);
      y[2 + 2 * Pair] = hn::NegMulAdd(point, odd, even);
    }
    InputAtPairs<M, Pair + 1>(x, y);
  }
}

/// M + 2 inputs to M + 2 points.
template <int M>
HWY_INLINE void InputAtPoints(const V* x, V* y) {
  y[0] = QOf<M, -1>(x);
  InputAtPairs<M, 0>(x, y);
  y[M + 1] = QOf<M, -1>(x + 1);
}

template <int M, int Pair>
HWY_INLINE void KernelAtPairs(const V* g, V* y) {
  using W = Winograd<M>;
  if constexpr (Pair < W::kPairs) {
    const D d;
    const V even = hn::MulAdd(g[2], hn::Set(d, static_cast<float>(W::power(Pair, 2) / W::divisor(Pair))),
                              hn::Mul(g[0], hn::Set(d, static_cast<float>(1 / W::divisor(Pair)))));
    const V odd = hn::Set(d, static_cast<float>(W::point(Pair) / W::divisor(Pair)));
    y[1 + 2 * Pair] = hn::MulAdd(g[1], odd, even);
    y[2 + 2 * Pair] = hn::NegMulAdd(g[1], odd, even);
    KernelAtPairs<M, Pair + 1>(g, y);
  }
}

/// 3 taps to M + 2 points.
template <int M>
HWY_INLINE void KernelAtPoints(const V* g, V* y) {
  y[0] = hn::Mul(g[0], hn::Set(D(), static_cast<float>(1 / Winograd<M>::q(0))));
  KernelAtPairs<M, 0>(g, y);
  y[M + 1] = g[2];
}

/// sum + point^R times what pairs from `Pair` on give: their sums where R is even, their differences where it is odd.
template <int M, int R, int Pair>
HWY_INLINE V AddPairs(const V* pairs, V sum) {
  if constexpr (Pair >= Winograd<M>::kPairs) {
    return sum;
  } else {
    constexpr auto kFactor = static_cast<float>(Winograd<M>::power(Pair, R));
    const V x = pairs[2 * Pair + R % 2];
    if constexpr (kFactor == 1) return AddPairs<M, R, Pair + 1>(pairs, hn::Add(sum, x));
    else return AddPairs<M, R, Pair + 1>(pairs, hn::MulAdd(hn::Set(D(), kFactor), x, sum));
  }
}

template <int M, int R>
HWY_INLINE void OutputsFrom(const V* x, const V* pairs, V* y) {
  if constexpr (R < M) {
    if constexpr (R == 0) {
      y[R] = AddPairs<M, R, 0>(pairs, x[0]);
    } else if constexpr (R == M - 1) {
      y[R] = AddPairs<M, R, 0>(pairs, x[M + 1]);
    } else {
      constexpr auto kFactor = static_cast<float>(Winograd<M>::power(0, R));
      y[R] = AddPairs<M, R, 1>(pairs, hn::Mul(hn::Set(D(), kFactor), pairs[R % 2]));
    }
    OutputsFrom<M, R + 1>(x, pairs, y);
  }
}

/// M + 2 products to M outputs.
template <int M>
HWY_INLINE void OutputOfPoints(const V* x, V* y) {
  V pairs[M];
  HWY_UNROLL(2)
  for (int i = 0; i < M / 2; ++i) {
    pairs[2 * i] = hn::Add(x[1 + 2 * i], x[2 + 2 * i]);
    pairs[2 * i + 1] = hn::Sub(x[1 + 2 * i], x[2 + 2 * i]);
  }
  OutputsFrom<M, 0>(x, pairs, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#endif

// Sums and products of two quantized tensors, element by element.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/levels.h"
#include "kernels/simd/levels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/pair_levels.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/requantize-inl.h"

#ifndef TERCEL_PAIR_LEVELS_ONCE
#define TERCEL_PAIR_LEVELS_ONCE
namespace tercel::inline kernels {

struct PairJob {
  bool multiplies;  // else adds
  bool a_signed, b_signed;
  int32_t a_zero, b_zero;
  TwoRatios sum;
  Ratio product;
  LevelRange to;
};

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <bool kMultiplies, typename A, typename B>
void PairOf(const PairJob& job, const A* a, const B* b, uint8_t* dst, int64_t count) {
  int64_t i = 0;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::ScalableTag<int32_t> d;
  using D = std::remove_const_t<decltype(d)>;
  using R = Requantizer<D>;
  const typename R::DReal dr;
  const R requantize(d, job.to);
  // Levels have 9 bits and ratios 30, so sums are exact, and so are their products with a power of two.
  const auto ra = hn::Set(dr, static_cast<double>(job.sum.a)), rb = hn::Set(dr, static_cast<double>(job.sum.b)),
             unit =
                 hn::Set(dr, kMultiplies ? static_cast<double>(job.product.value()) : std::ldexp(1.0, -job.sum.shift));
  const auto a_zero = hn::Set(d, job.a_zero), b_zero = hn::Set(d, job.b_zero);
  for (const auto lanes = static_cast<int64_t>(hn::Lanes(d)); i + lanes <= count; i += lanes) {
    const auto x = hn::Sub(hn::PromoteTo(d, hn::LoadU(hn::Rebind<A, D>(), a + i)), a_zero);
    const auto y = hn::Sub(hn::PromoteTo(d, hn::LoadU(hn::Rebind<B, D>(), b + i)), b_zero);
    typename R::VReal lower, upper;
    if constexpr (kMultiplies) {
      const auto product = hn::Mul(x, y);
      lower = R::Lower(product), upper = R::Upper(product);
    } else {
      lower = hn::MulAdd(R::Lower(y), rb, hn::Mul(R::Lower(x), ra));
      upper = hn::MulAdd(R::Upper(y), rb, hn::Mul(R::Upper(x), ra));
    }
    StoreBytes(d, requantize.OfProducts(lower, unit, upper, unit), dst + i);
  }
#endif
  for (; i < count; ++i) {
    const int64_t x = a[i] - job.a_zero, y = b[i] - job.b_zero;
    dst[i] = static_cast<uint8_t>(kMultiplies ? tensor::requantize(x * y, job.product, job.to)
                                              : requantize_sum(x, y, job.sum, job.to));
  }
}

void PairPart(const PairJob& job, const std::byte* a, const std::byte* b, std::byte* dst, int64_t count) {
  const auto with_two = [&](const auto* first, const auto* second) {
    auto* to = reinterpret_cast<uint8_t*>(dst);
    if (job.multiplies) PairOf<true>(job, first, second, to, count);
    else PairOf<false>(job, first, second, to, count);
  };
  const auto with_one = [&](const auto* first) {
    if (job.b_signed) with_two(first, reinterpret_cast<const int8_t*>(b));
    else with_two(first, reinterpret_cast<const uint8_t*>(b));
  };
  if (job.a_signed) with_one(reinterpret_cast<const int8_t*>(a));
  else with_one(reinterpret_cast<const uint8_t*>(a));
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

/// Elements repeat in the order of the other operand's: all of them, a row, a number for each channel, or one alone.
bool repeats(const Operand& row, const Operand& whole) {
  if (row.elements() == 1) return true;
  if (row.dims == whole.dims) return row.layout == whole.layout;
  if (whole.layout == Layout::channels_last)
    return row.layout == Layout::channels_last && row.dims == Dims{1, whole.dims[1], 1, 1};
  // A row ends where the result does, in an order that only the plain layout has.
  return whole.layout == Layout::plain && row.layout == Layout::plain && row.rank() <= whole.rank() &&
         std::equal(row.dims.rbegin(), row.dims.rend(), whole.dims.rbegin());
}

/// Which operand has every element of the result; the other one repeats. Neither: 2.
size_t whole_operand(const Problem& p) {
  for (size_t whole : {0, 1})
    if (p.src[whole].dims == p.dst[0].dims && p.src[whole].layout == p.dst[0].layout &&
        repeats(p.src[1 - whole], p.src[whole]))
      return whole;
  return 2;
}

class PairKernel final : public Kernel {
 public:
  explicit PairKernel(const Problem& p)
      : run_(TERCEL_PICK(p.isa, PairPart)),
        a_(whole_operand(p)),
        b_(1 - a_),
        count_(p.dst[0].elements()),
        period_(p.src[b_].elements()),
        job_{p.op == "LevelMul",
             p.src[a_].dtype == DType::i8,
             p.src[b_].dtype == DType::i8,
             p.src[a_].quantization->zeros[0],
             p.src[b_].quantization->zeros[0],
             {},
             {},
             range_after(ActivationOf(*p.attrs), p.dst[0].dtype, *p.dst[0].quantization)} {
    const Quantization &a = *p.src[a_].quantization, &b = *p.src[b_].quantization, &y = *p.dst[0].quantization;
    if (job_.multiplies) job_.product = ratio_or_fail(product_ratio(a.scales[0], b.scales[0], y.scales[0]));
    else job_.sum = sum_ratios(a, b, y);
  }

  void run(const Args& args) const override {
    constexpr int64_t kWorthAThread = 1 << 15;  // elements
    const std::byte* b = args.src[b_];
    int64_t period = period_;
    std::byte row[2 * kShort];
    if (period < kShort) {  // one element, or a few: written out often enough that the loop below has something to do
      for (int64_t i = 0; i < 2 * kShort; ++i) row[i] = b[i % period];
      b = row;
      period = 2 * kShort / period * period;
    }
    parallel_for(count_, kWorthAThread, [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t at = begin % period, count = std::min(end - begin, period - at);
        run_(job_, args.src[a_] + begin, b + at, args.dst[0] + begin, count);
        begin += count;
      }
    });
  }

 private:
  static constexpr int64_t kShort = 256;

  void (*run_)(const PairJob&, const std::byte*, const std::byte*, std::byte*, int64_t);
  size_t a_, b_;
  int64_t count_, period_;
  PairJob job_;
};

std::string refuse(const Problem& p) {
  if (p.dst[0].elements() == 0) return "nothing to compute";
  if (p.src[0].elements() == 0 || p.src[1].elements() == 0 || whole_operand(p) > 1)
    return "an operand is broadcast, and is no row";
  // What is rounded has to fit 32 bits: products of 16 bits, sums of two levels of 8 bits.
  const float a = p.src[0].quantization->scales[0], b = p.src[1].quantization->scales[0],
              y = p.dst[0].quantization->scales[0];
  if (p.op == "LevelMul") return product_ratio(a, b, y) > 0x1p14f ? "a ratio of scales is more than 2^14" : "";
  return std::max(a, b) / y > 0x1p21f ? "a ratio of scales is more than 2^21" : "";
}

}  // namespace

Variant simd_pair_levels() {
  return {"simd_pair_levels", LayoutRule::same, Elements::levels, refuse, make_kernel<PairKernel>};
}

}  // namespace tercel::inline kernels
#endif

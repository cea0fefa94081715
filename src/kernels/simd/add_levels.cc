#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/levels.h"
#include "kernels/simd/levels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/add_levels.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/requantize-inl.h"

#ifndef TERCEL_ADD_LEVELS_ONCE
#define TERCEL_ADD_LEVELS_ONCE
namespace tercel::inline kernels {

struct AddLevelsJob {
  bool a_signed, b_signed;
  int32_t a_zero, b_zero;
  TwoRatios ratios;
  LevelRange to;
};

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <typename A, typename B>
void AddOf(const AddLevelsJob& job, const A* a, const B* b, uint8_t* dst, int64_t count) {
  int64_t i = 0;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::ScalableTag<int32_t> d;
  using D = std::remove_const_t<decltype(d)>;
  using R = Requantizer<D>;
  const hn::Rebind<uint8_t, D> d8;
  const typename R::DReal dr;
  const R requantize(d, job.to);
  // Levels have 9 bits and ratios 30, so sums are exact, and so are their products with a power of two.
  const auto ra = hn::Set(dr, static_cast<double>(job.ratios.a)), rb = hn::Set(dr, static_cast<double>(job.ratios.b)),
             unit = hn::Set(dr, std::ldexp(1.0, -job.ratios.shift));
  const auto a_zero = hn::Set(d, job.a_zero), b_zero = hn::Set(d, job.b_zero), byte = hn::Set(d, 0xFF);
  for (const auto lanes = static_cast<int64_t>(hn::Lanes(d)); i + lanes <= count; i += lanes) {
    const auto x = hn::Sub(hn::PromoteTo(d, hn::LoadU(hn::Rebind<A, D>(), a + i)), a_zero);
    const auto y = hn::Sub(hn::PromoteTo(d, hn::LoadU(hn::Rebind<B, D>(), b + i)), b_zero);
    const auto lower = hn::MulAdd(R::Lower(y), rb, hn::Mul(R::Lower(x), ra));
    const auto upper = hn::MulAdd(R::Upper(y), rb, hn::Mul(R::Upper(x), ra));
    const auto level = hn::And(requantize.OfProducts(lower, unit, upper, unit), byte);
    hn::StoreU(hn::U8FromU32(hn::BitCast(hn::Rebind<uint32_t, D>(), level)), d8, dst + i);
  }
#endif
  for (; i < count; ++i)
    dst[i] = static_cast<uint8_t>(requantize_sum(a[i] - job.a_zero, b[i] - job.b_zero, job.ratios, job.to));
}

void AddLevelsPart(const AddLevelsJob& job, const std::byte* a, const std::byte* b, std::byte* dst, int64_t count) {
  const auto with = [&](const auto* first) {
    auto* to = reinterpret_cast<uint8_t*>(dst);
    if (job.b_signed) AddOf(job, first, reinterpret_cast<const int8_t*>(b), to, count);
    else AddOf(job, first, reinterpret_cast<const uint8_t*>(b), to, count);
  };
  if (job.a_signed) with(reinterpret_cast<const int8_t*>(a));
  else with(reinterpret_cast<const uint8_t*>(a));
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

/// Elements repeat in the order of the other operand's: all of them, a row, or one alone.
bool repeats(const Operand& row, const Operand& whole) {
  if (row.elements() == 1) return true;
  if (row.dims == whole.dims) return row.layout == whole.layout;
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

class AddLevelsKernel final : public Kernel {
 public:
  explicit AddLevelsKernel(const Problem& p)
      : run_(TERCEL_PICK(p.isa, AddLevelsPart)),
        a_(whole_operand(p)),
        b_(1 - a_),
        count_(p.dst[0].elements()),
        period_(p.src[b_].elements()),
        job_{p.src[a_].dtype == DType::i8,
             p.src[b_].dtype == DType::i8,
             p.src[a_].quantization->zeros[0],
             p.src[b_].quantization->zeros[0],
             sum_ratios(*p.src[a_].quantization, *p.src[b_].quantization, *p.dst[0].quantization),
             range_after(ActivationOf(*p.attrs), p.dst[0].dtype, *p.dst[0].quantization)} {}

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

  void (*run_)(const AddLevelsJob&, const std::byte*, const std::byte*, std::byte*, int64_t);
  size_t a_, b_;
  int64_t count_, period_;
  AddLevelsJob job_;
};

std::string refuse(const Problem& p) {
  if (p.dst[0].elements() == 0) return "nothing to compute";
  if (p.src[0].elements() == 0 || p.src[1].elements() == 0 || whole_operand(p) > 1)
    return "an operand is broadcast, and is no row";
  return {};
}

}  // namespace

Variant simd_add_levels() {
  return {"simd_add_levels", LayoutRule::same, Elements::levels, refuse,
          [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<AddLevelsKernel>(p); }};
}

}  // namespace tercel::inline kernels
#endif

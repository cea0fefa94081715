#include "kernels/simd/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/simd/box.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/softmax.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on

#include "kernels/simd/activation-inl.h"
#include "kernels/simd/part-inl.h"

#ifndef TERCEL_SOFTMAX_ONCE
#define TERCEL_SOFTMAX_ONCE
namespace tercel::inline kernels {

struct SoftmaxJob {
  int64_t rows = 0, size = 0;
  bool logarithm = false;
  const float* src = nullptr;
  float* dst = nullptr;
};

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void SoftmaxPart(const SoftmaxJob& job, int64_t begin, int64_t end) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  const int64_t size = job.size, whole = size / lanes * lanes, rest = size - whole;
  const auto inside = hn::FirstN(d, static_cast<size_t>(rest));
  for (int64_t r = begin; r < end; ++r) {
    const float* src = job.src + r * size;
    float* dst = job.dst + r * size;
    V largest = lowest;
    for (int64_t i = 0; i < whole; i += lanes) largest = hn::Max(largest, hn::LoadU(d, src + i));
    if (rest != 0) largest = hn::Max(largest, hn::IfThenElse(inside, LoadPart(d, src + whole, rest), lowest));
    largest = hn::MaxOfLanes(d, largest);
    // Exponentials are kept for softmax; its logarithm needs only their sum.
    V sums[2] = {hn::Zero(d), hn::Zero(d)};
    const auto exponential = [&](int64_t i, int64_t count) HWY_ATTR {
      const V e = ExpOfMinus(d, hn::Sub(largest, LoadPart(d, src + i, count)), hn::Zero(d));
      if (!job.logarithm) StorePart(e, d, dst + i, count);
      return e;
    };
    int64_t i = 0;
    for (; i + 2 * lanes <= size; i += 2 * lanes) {
      sums[0] = hn::Add(sums[0], exponential(i, lanes));
      sums[1] = hn::Add(sums[1], exponential(i + lanes, lanes));
    }
    for (; i < whole; i += lanes) sums[0] = hn::Add(sums[0], exponential(i, lanes));
    if (rest != 0) sums[1] = hn::Add(sums[1], hn::IfThenElseZero(inside, exponential(i, rest)));
    const float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sums[0], sums[1])));
    const V factor = hn::Set(d, 1 / sum), shift = hn::Add(largest, hn::Set(d, std::log(sum)));
    for (i = 0; i < size; i += lanes) {
      const int64_t count = std::min(lanes, size - i);
      const V y =
          job.logarithm ? hn::Sub(LoadPart(d, src + i, count), shift) : hn::Mul(LoadPart(d, dst + i, count), factor);
      StorePart(y, d, dst + i, count);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

size_t axis_of(const Problem& p) {
  return static_cast<size_t>(normalize_axis(p.attrs->get_int("axis"), p.src[0].rank()));
}

class SoftmaxKernel final : public Kernel {
 public:
  explicit SoftmaxKernel(const Problem& p) : run_(TERCEL_PICK(p.isa, SoftmaxPart)) {
    job_.size = p.src[0].dims[axis_of(p)];
    job_.rows = p.src[0].elements() / job_.size;
    job_.logarithm = p.op == "LogSoftmax";
  }

  void run(const Args& args) const override {
    SoftmaxJob job = job_;
    job.src = reinterpret_cast<const float*>(args.src[0]);
    job.dst = reinterpret_cast<float*>(args.dst[0]);
    parallel_for(job.rows, std::max<int64_t>(1, 8192 / job.size),
                 [&](int64_t begin, int64_t end) { run_(job, begin, end); });
  }

 private:
  void (*run_)(const SoftmaxJob&, int64_t, int64_t);
  SoftmaxJob job_;
};

std::string why_not(const Problem& p) {
  const Operand& x = p.src[0];
  if (x.elements() == 0) return "nothing to compute";
  const Dims strides = strides_in(x.dims, x.layout);
  for (size_t i = 0; i < x.dims.size(); ++i)
    if (i != axis_of(p) && x.dims[i] != 1 && strides[i] < strides[axis_of(p)])
      return fmt::format("axis {} of {} is not the innermost in the {} layout", axis_of(p), to_string(x.dims),
                         to_string(x.layout));
  return {};
}

std::unique_ptr<Kernel> make(const Problem& p) { return std::make_unique<SoftmaxKernel>(p); }

}  // namespace

Variant simd_softmax() { return {"simd_softmax", LayoutRule::same, Elements::f32, why_not, make}; }
Variant simd_softmax_plain() { return {"simd_softmax_plain", LayoutRule::plain, Elements::f32, why_not, make}; }

}  // namespace tercel::inline kernels
#endif

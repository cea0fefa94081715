#include "kernels/simd/norm.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/norm.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/part-inl.h"

#ifndef TERCEL_NORM_ONCE
#define TERCEL_NORM_ONCE
namespace tercel::inline kernels {

struct RowScaleJob {
  int64_t size = 0;
  float epsilon = 0;
  bool centred = false;
  const float* src = nullptr;
  float* dst = nullptr;
};

struct LayerNormJob {
  int64_t rows = 0, size = 0;
  float epsilon = 0;
  const float* src = nullptr;
  const float* scale = nullptr;
  const float* bias = nullptr;  // may be null
  float* dst = nullptr;
};

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

struct Plain {
  static HWY_INLINE V Of(V x, V) { return x; }
};
struct SquaredDistance {
  static HWY_INLINE V Of(V x, V centre) {
    const V distance = hn::Sub(x, centre);
    return hn::Mul(distance, distance);
  }
};

/// Sum of F(x, centre) over a row, in four accumulators.
template <class F>
HWY_INLINE float SumRow(const float* row, int64_t size, float centre_of_all) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V centre = hn::Set(d, centre_of_all);
  constexpr int kUnroll = 4;
  V sum[kUnroll];
  for (auto& v : sum) v = hn::Zero(d);
  int64_t i = 0;
  for (; i + kUnroll * lanes <= size; i += kUnroll * lanes)
    for (int u = 0; u < kUnroll; ++u) sum[u] = hn::Add(sum[u], F::Of(hn::LoadU(d, row + i + u * lanes), centre));
  for (; i + lanes <= size; i += lanes) sum[0] = hn::Add(sum[0], F::Of(hn::LoadU(d, row + i), centre));
  if (i < size) {
    const V rest = F::Of(LoadPart(d, row + i, size - i), centre);
    sum[1] = hn::Add(sum[1], hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(size - i)), rest));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]))));
}

/// A row is read twice at most, the second time from L1.
void RowScalePart(const RowScaleJob& job, int64_t begin, int64_t end) {
  const auto count = static_cast<float>(job.size);
  for (int64_t r = begin; r < end; ++r) {
    const float* src = job.src + r * job.size;
    const float mean = job.centred ? 0 : SumRow<Plain>(src, job.size, 0) / count;
    job.dst[r] = 1 / std::sqrt(SumRow<SquaredDistance>(src, job.size, mean) / count + job.epsilon);
  }
}

/// Two passes for the moments: the mean first, then the distances from it, which keeps the digits that a difference of
/// squares would lose.
void LayerNormPart(const LayerNormJob& job, int64_t begin, int64_t end) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t size = job.size;
  const auto count = static_cast<float>(size);
  for (int64_t r = begin; r < end; ++r) {
    const float* src = job.src + r * size;
    float* dst = job.dst + r * size;
    const float mean = SumRow<Plain>(src, size, 0) / count;
    const float variance = SumRow<SquaredDistance>(src, size, mean) / count;
    const V centre = hn::Set(d, mean), factor = hn::Set(d, 1 / std::sqrt(variance + job.epsilon));
    for (int64_t i = 0; i < size; i += lanes) {
      const int64_t width = std::min(lanes, size - i);
      const V x = hn::Mul(hn::Sub(LoadPart(d, src + i, width), centre), factor);
      const V scale = LoadPart(d, job.scale + i, width);
      const V y = job.bias == nullptr ? hn::Mul(x, scale) : hn::MulAdd(x, scale, LoadPart(d, job.bias + i, width));
      StorePart(y, d, dst + i, width);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

int64_t row_size(const Problem& p) {
  const auto axis = static_cast<size_t>(normalize_axis(p.attrs->get_int("axis"), p.src[0].rank()));
  return count_elements(std::span(p.src[0].dims).subspan(axis));
}

class LayerNormKernel final : public Kernel {
 public:
  explicit LayerNormKernel(const Problem& p) : run_(TERCEL_PICK(p.isa, LayerNormPart)) {
    job_.size = row_size(p);
    job_.rows = p.src[0].elements() / job_.size;
    job_.epsilon = p.attrs->get_float("epsilon");
  }

  void run(const Args& args) const override {
    LayerNormJob job = job_;
    job.src = reinterpret_cast<const float*>(args.src[0]);
    job.scale = reinterpret_cast<const float*>(args.src[1]);
    job.bias = args.src.size() > 2 ? reinterpret_cast<const float*>(args.src[2]) : nullptr;
    job.dst = reinterpret_cast<float*>(args.dst[0]);
    parallel_for(job.rows, std::max<int64_t>(1, 16384 / job.size),
                 [&](int64_t begin, int64_t end) { run_(job, begin, end); });
  }

 private:
  void (*run_)(const LayerNormJob&, int64_t, int64_t);
  LayerNormJob job_;
};

class RowScaleKernel final : public Kernel {
 public:
  explicit RowScaleKernel(const Problem& p) : run_(TERCEL_PICK(p.isa, RowScalePart)), rows_(p.dst[0].elements()) {
    job_.size = p.src[0].dims.back();
    job_.epsilon = p.attrs->get_float("epsilon");
    job_.centred = p.attrs->get_bool("centred");
  }

  void run(const Args& args) const override {
    RowScaleJob job = job_;
    job.src = reinterpret_cast<const float*>(args.src[0]);
    job.dst = reinterpret_cast<float*>(args.dst[0]);
    parallel_for(rows_, std::max<int64_t>(1, 32768 / job.size),
                 [&](int64_t begin, int64_t end) { run_(job, begin, end); });
  }

 private:
  void (*run_)(const RowScaleJob&, int64_t, int64_t);
  RowScaleJob job_;
  int64_t rows_;
};

std::string why_not(const Problem& p) {
  for (const Operand& operand : p.src)
    if (operand && operand.dtype != DType::f32)
      return fmt::format("elements are {}, not f32", to_string(operand.dtype));
  for (size_t i = 1; i < p.dst.size(); ++i)
    if (p.dst[i]) return "it is asked for statistics";
  if (p.src[0].elements() == 0) return "nothing to compute";
  for (size_t i : {1, 2}) {
    if (!p.input(i)) continue;
    const Dims& dims = p.src[i].dims;
    const int64_t size = row_size(p);
    // As many elements as a row need not be a row: they may broadcast along the axes in front of it.
    const Dims& x = p.src[0].dims;
    const auto axis = static_cast<size_t>(normalize_axis(p.attrs->get_int("axis"), p.src[0].rank()));
    const size_t behind = std::min(x.size() - axis, dims.size());
    if (p.src[i].elements() != size || count_elements(std::span(dims).last(behind)) != size)
      return fmt::format("operand {} has shape {}, a row {} elements", i, to_string(dims), size);
  }
  return {};
}

}  // namespace

Variant simd_layernorm() {
  return {"simd_layernorm", LayoutRule::plain, Elements::f32, why_not, make_kernel<LayerNormKernel>};
}

Variant simd_row_scale() {
  return {"simd_row_scale", LayoutRule::plain, Elements::f32,
          [](const Problem& p) -> std::string { return p.src[0].elements() == 0 ? "nothing to compute" : ""; },
          make_kernel<RowScaleKernel>};
}

}  // namespace tercel::inline kernels
#endif

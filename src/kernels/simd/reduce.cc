#include "kernels/simd/reduce.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/bits.h"
#include "base/error.h"
#include "base/threads.h"
#include "kernels/simd/box.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/reduce.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/part-inl.h"

#ifndef TERCEL_REDUCE_ONCE
#define TERCEL_REDUCE_ONCE
namespace tercel::inline kernels {

/// Over the middle axis of outer x extent x inner.
struct ReduceJob {
  int64_t outer = 1, extent = 1, inner = 1;
  bool largest = false;  // else the sum
  float factor = 1;
  const float* src = nullptr;
  float* dst = nullptr;
};

// Columns that one item of work takes: a few cache lines of each row.
constexpr int64_t kReduceColumns = 64;

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Sums are kept of blocks, then of the blocks: a float sum of n numbers errs by n roundings, this by about 2 sqrt(n).
constexpr int64_t kBlock = 128;

struct ReduceSum {
  static HWY_INLINE V Start(D d) { return hn::Zero(d); }
  static HWY_INLINE V Join(D, V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE float Lanes(D d, V v) { return hn::GetLane(hn::SumOfLanes(d, v)); }
};

struct ReduceLargest {
  static HWY_INLINE V Start(D d) { return hn::Set(d, -std::numeric_limits<float>::infinity()); }
  static HWY_INLINE V Join(D d, V a, V b) { return MaxOrNaN(d, a, b); }
  static float Lanes(D d, V v) {
    HWY_ALIGN float lanes[hn::MaxLanes(d)];
    hn::Store(v, d, lanes);
    float best = lanes[0];
    for (size_t i = 1; i < hn::Lanes(d); ++i) best = best > lanes[i] || best != best ? best : lanes[i];
    return best;
  }
};

/// Columns [column, column + count) of one outer index, count at most kReduceColumns.
template <class R>
void ReduceColumns(const ReduceJob& job, int64_t o, int64_t column, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const float* src = job.src + o * job.extent * job.inner + column;
  float* dst = job.dst + o * job.inner + column;
  for (int64_t i = 0; i < count; i += lanes) {
    const int64_t width = std::min(lanes, count - i);
    V total = R::Start(d);
    for (int64_t block = 0; block < job.extent; block += kBlock) {
      const int64_t end = std::min(block + kBlock, job.extent);
      V even = R::Start(d), odd = R::Start(d);
      int64_t row = block;
      for (; row + 2 <= end; row += 2) {
        even = R::Join(d, even, LoadPart(d, src + row * job.inner + i, width));
        odd = R::Join(d, odd, LoadPart(d, src + (row + 1) * job.inner + i, width));
      }
      if (row < end) even = R::Join(d, even, LoadPart(d, src + row * job.inner + i, width));
      total = R::Join(d, total, R::Join(d, even, odd));
    }
    StorePart(hn::Mul(total, hn::Set(d, job.factor)), d, dst + i, width);
  }
}

/// One contiguous row to one number.
template <class R>
float ReduceRow(const float* row, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr int kUnroll = 4;
  V total = R::Start(d);
  int64_t i = 0;
  while (i + kUnroll * lanes <= count) {
    V acc[kUnroll];
    for (auto& v : acc) v = R::Start(d);
    const int64_t end = std::min(count, i + kBlock * lanes);
    for (; i + kUnroll * lanes <= end; i += kUnroll * lanes)
      for (int u = 0; u < kUnroll; ++u) acc[u] = R::Join(d, acc[u], hn::LoadU(d, row + i + u * lanes));
    total = R::Join(d, total, R::Join(d, R::Join(d, acc[0], acc[1]), R::Join(d, acc[2], acc[3])));
  }
  for (; i + lanes <= count; i += lanes) total = R::Join(d, total, hn::LoadU(d, row + i));
  if (i < count) {
    HWY_ALIGN float rest[hn::MaxLanes(d)];
    hn::Store(R::Start(d), d, rest);
    std::copy(row + i, row + count, rest);
    total = R::Join(d, total, hn::Load(d, rest));
  }
  return R::Lanes(d, total);
}

template <class R>
void ReduceItems(const ReduceJob& job, int64_t begin, int64_t end) {
  if (job.inner == 1) {
    for (int64_t o = begin; o < end; ++o) job.dst[o] = ReduceRow<R>(job.src + o * job.extent, job.extent) * job.factor;
    return;
  }
  const int64_t pieces = (job.inner + kReduceColumns - 1) / kReduceColumns;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t column = item % pieces * kReduceColumns;
    ReduceColumns<R>(job, item / pieces, column, std::min(kReduceColumns, job.inner - column));
  }
}

/// Items [begin, end): rows where inner is 1, else pieces of kReduceColumns columns.
void ReducePart(const ReduceJob& job, int64_t begin, int64_t end) {
  if (job.largest) ReduceItems<ReduceLargest>(job, begin, end);
  else ReduceItems<ReduceSum>(job, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

/// Per axis of the source: is it reduced? Empty where that is not known.
std::vector<bool> reduced_axes(const Problem& p) {
  std::vector<bool> reduced(p.src[0].dims.size(), false);
  if (p.op == "GlobalAveragePool" || p.op == "GlobalMaxPool") {
    for (size_t i = 2; i < reduced.size(); ++i) reduced[i] = true;
    return reduced;
  }
  const Operand& axes = p.input(1);
  if (axes && !axes.constant) return {};
  const auto given = axes ? axes.constant.to_ints() : std::vector<int64_t>();
  if (given.empty() && !p.attrs->get_bool("noop_with_empty_axes")) reduced.assign(reduced.size(), true);
  for (int64_t axis : given) reduced[static_cast<size_t>(normalize_axis(axis, p.src[0].rank()))] = true;
  return reduced;
}

/// outer, extent and inner where the reduced axes lie together and the others keep their order; else why not.
std::string arrange(const Problem& p, ReduceJob& job) {
  const Operand &x = p.src[0], &y = p.dst[0];
  const std::vector<bool> reduced = reduced_axes(p);
  if (reduced.size() != x.dims.size()) return "the axes are not constant";
  const Dims from = strides_in(x.dims, x.layout), to = strides_in(y.dims, y.layout);
  const bool keeps = x.dims.size() == y.dims.size();
  // Axes longer than 1, as they follow in memory.
  struct Axis {
    int64_t extent, stride, result_stride;
    bool reduced;
  };
  std::vector<Axis> axes;
  for (size_t i = 0, kept = 0; i < x.dims.size(); ++i) {
    const size_t at = keeps ? i : kept;
    if (!reduced[i]) ++kept;
    if (x.dims[i] != 1) axes.push_back({x.dims[i], from[i], reduced[i] ? 0 : to[at], reduced[i]});
  }
  std::sort(axes.begin(), axes.end(), [](const Axis& a, const Axis& b) { return a.stride > b.stride; });
  int64_t last_stride = std::numeric_limits<int64_t>::max();
  bool begun = false, ended = false;
  for (const Axis& axis : axes) {
    if (axis.reduced) {
      if (ended)
        return fmt::format("the reduced axes of {} do not lie together in the {} layout", to_string(x.dims),
                           to_string(x.layout));
      begun = true;
      job.extent *= axis.extent;
      continue;
    }
    ended = begun;
    (begun ? job.inner : job.outer) *= axis.extent;
    if (axis.result_stride > last_stride)
      return fmt::format("the {} layout keeps the axes that stay in another order", to_string(x.layout));
    last_stride = axis.result_stride;
  }
  return {};
}

class ReduceKernel final : public Kernel {
 public:
  explicit ReduceKernel(const Problem& p) : run_(TERCEL_PICK(p.isa, ReducePart)) {
    arrange(p, job_);
    job_.largest = p.op == "ReduceMax" || p.op == "GlobalMaxPool";
    if (p.op == "ReduceMean" || p.op == "GlobalAveragePool") job_.factor = 1 / static_cast<float>(job_.extent);
  }

  void run(const Args& args) const override {
    ReduceJob job = job_;
    job.src = reinterpret_cast<const float*>(args.src[0]);
    job.dst = reinterpret_cast<float*>(args.dst[0]);
    const int64_t items = job.inner == 1 ? job.outer : job.outer * div_up(job.inner, kReduceColumns);
    const int64_t work = job.extent * std::min(job.inner, kReduceColumns);
    parallel_for(items, std::max<int64_t>(1, 16384 / work), [&](int64_t begin, int64_t end) { run_(job, begin, end); });
  }

 private:
  void (*run_)(const ReduceJob&, int64_t, int64_t);
  ReduceJob job_;
};

std::string why_not(const Problem& p) {
  if (p.src[0].elements() == 0) return "nothing to reduce";
  ReduceJob job;
  return arrange(p, job);
}

}  // namespace

Variant simd_reduce() { return {"simd_reduce", LayoutRule::same, Elements::f32, why_not, make_kernel<ReduceKernel>}; }
Variant simd_reduce_plain() {
  return {"simd_reduce_plain", LayoutRule::plain, Elements::f32, why_not, make_kernel<ReduceKernel>};
}

}  // namespace tercel::inline kernels
#endif

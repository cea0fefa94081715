#include "kernels/simd/pool.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/window.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/pool.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/part-inl.h"

#ifndef TERCEL_POOL_ONCE
#define TERCEL_POOL_ONCE
namespace tercel::inline kernels {

struct PoolJob {
  int64_t n, c;
  Window h, w;
  bool averages;     // else the largest
  bool counts_pads;  // an average counts padding as zeros
  const std::byte* src;
  std::byte* dst;
};

/// Taps before the end of the padding: in ceil mode a window may reach past it, and what lies there never counts.
inline int64_t padded_taps(const Window& window, int64_t o) {
  const int64_t end = window.input + window.pad_end;
  return steps_within(window.start(o), window.dilation, window.start(o), end, window.kernel).size();
}

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Largest {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Start(D d) {
    using T = hn::TFromD<D>;
    if constexpr (std::is_floating_point_v<T>) return hn::Set(d, -std::numeric_limits<T>::infinity());
    return hn::Set(d, std::numeric_limits<T>::lowest());
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Step(D d, V acc, V x) {
    if constexpr (std::is_floating_point_v<hn::TFromD<D>>) return MaxOrNaN(d, acc, x);
    return hn::Max(acc, x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V End(D, V acc, float) {
    return acc;
  }
};

struct Total {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Start(D d) {
    return hn::Zero(d);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Step(D, V acc, V x) {
    return hn::Add(acc, x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V End(D d, V acc, float factor) {
    return hn::Mul(acc, hn::Set(d, factor));
  }
};

/// NV vectors of channels of one pixel.
template <class Reduction, int NV, class D, typename T = hn::TFromD<D>>
HWY_INLINE void Pixel(D d, const T* src, int64_t row_step, int64_t tap_step, Range taps_h, Range taps_w, float factor,
                      T* dst) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V acc[NV];
  for (int v = 0; v < NV; ++v) acc[v] = Reduction::Start(d);
  for (int64_t kh = taps_h.begin; kh < taps_h.end; ++kh)
    for (int64_t kw = taps_w.begin; kw < taps_w.end; ++kw) {
      const T* x = src + kh * row_step + kw * tap_step;
      for (int v = 0; v < NV; ++v) acc[v] = Reduction::Step(d, acc[v], hn::LoadU(d, x + v * lanes));
    }
  for (int v = 0; v < NV; ++v) hn::StoreU(Reduction::End(d, acc[v], factor), d, dst + v * lanes);
}

template <class Reduction, class D>
void PoolRows(D d, const PoolJob& job, int64_t begin, int64_t end) {
  using T = hn::TFromD<D>;
  constexpr int kVectors = 4;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t c = job.c, row_step = job.h.dilation * job.w.input * c, tap_step = job.w.dilation * c;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / job.h.output, oh = row % job.h.output;
    const Range taps_h = job.h.taps(oh);
    for (int64_t ow = 0; ow < job.w.output; ++ow) {
      const Range taps_w = job.w.taps(ow);
      const int64_t count =
          job.counts_pads ? padded_taps(job.h, oh) * padded_taps(job.w, ow) : taps_h.size() * taps_w.size();
      const float factor = job.averages ? (count == 0 ? 0.0f : 1.0f / static_cast<float>(count)) : 1.0f;
      // Where all taps lie in the padding nothing is read.
      const Range kh{0, taps_w.size() == 0 ? 0 : taps_h.size()}, kw{0, taps_w.size()};
      const int64_t ih = job.h.start(oh) + taps_h.begin * job.h.dilation,
                    iw = job.w.start(ow) + taps_w.begin * job.w.dilation;
      const T* src =
          reinterpret_cast<const T*>(job.src) + (kh.size() == 0 ? 0 : ((n * job.h.input + ih) * job.w.input + iw) * c);
      T* dst = reinterpret_cast<T*>(job.dst) + (row * job.w.output + ow) * c;
      int64_t at = 0;
      for (; at + kVectors * lanes <= c; at += kVectors * lanes)
        Pixel<Reduction, kVectors>(d, src + at, row_step, tap_step, kh, kw, factor, dst + at);
      for (; at < c; at += lanes) {
        const int64_t last = std::min(at, c - lanes);  // may overlap the one before: it writes the same again
        Pixel<Reduction, 1>(d, src + last, row_step, tap_step, kh, kw, factor, dst + last);
      }
    }
  }
}

/// With the widest vectors that `c` channels fill.
template <class Reduction, typename T>
void PoolOf(const PoolJob& job, int64_t begin, int64_t end) {
  const hn::ScalableTag<T> full;
  const hn::CappedTag<T, 16 / sizeof(T)> block;
  if (job.c >= static_cast<int64_t>(hn::Lanes(full))) PoolRows<Reduction>(full, job, begin, end);
  else if (job.c >= static_cast<int64_t>(hn::Lanes(block))) PoolRows<Reduction>(block, job, begin, end);
  else PoolRows<Reduction>(hn::CappedTag<T, 1>(), job, begin, end);
}

/// Result rows [begin, end), counted over the batch.
void PoolPart(const PoolJob& job, int64_t begin, int64_t end) {
  if (job.averages) PoolOf<Total, float>(job, begin, end);
  else PoolOf<Largest, float>(job, begin, end);
}
void MaxUnsignedPart(const PoolJob& job, int64_t begin, int64_t end) { PoolOf<Largest, uint8_t>(job, begin, end); }
void MaxSignedPart(const PoolJob& job, int64_t begin, int64_t end) { PoolOf<Largest, int8_t>(job, begin, end); }

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

class PoolKernel final : public Kernel {
 public:
  explicit PoolKernel(const Problem& p)
      : run_(p.src[0].dtype == DType::u8   ? TERCEL_PICK(p.isa, MaxUnsignedPart)
             : p.src[0].dtype == DType::i8 ? TERCEL_PICK(p.isa, MaxSignedPart)
                                           : TERCEL_PICK(p.isa, PoolPart)) {
    const Dims& x = p.src[0].dims;
    const auto windows = conv_windows(*p.attrs, std::span(x).subspan(2), p.attrs->get_ints("kernel_shape"));
    job_.n = x[0];
    job_.c = x[1];
    job_.h = windows[0];
    job_.w = windows[1];
    job_.averages = p.op == "AveragePool";
    job_.counts_pads = job_.averages && p.attrs->get_bool("count_include_pad");
  }

  void run(const Args& args) const override {
    PoolJob job = job_;
    job.src = args.src[0];
    job.dst = args.dst[0];
    // At least the results themselves; taps count by how many can read an input.
    const int64_t taps = std::min(job.h.kernel, job.h.input) * std::min(job.w.kernel, job.w.input);
    const int64_t work = job.w.output * job.c * std::clamp<int64_t>(taps, 1, 1 << 10);
    parallel_for(job.n * job.h.output, std::max<int64_t>(1, 32768 / work),
                 [&](int64_t b, int64_t e) { run_(job, b, e); });
  }

 private:
  void (*run_)(const PoolJob&, int64_t, int64_t);
  PoolJob job_{};
};

std::string why_not(const Problem& p) {
  if (p.src[0].rank() != 4) return fmt::format("rank {}, not 4", p.src[0].rank());
  if (p.dst.size() > 1 && p.dst[1]) return "it is asked where the largest are";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  return {};
}

}  // namespace

Variant simd_pool() {
  return {"simd_pool", LayoutRule::channels_last, Elements::f32, why_not, make_kernel<PoolKernel>};
}

Variant simd_max_levels() {
  Variant variant = simd_pool();
  variant.name = "simd_max_levels";
  variant.elements = Elements::levels;
  return variant;
}

}  // namespace tercel::inline kernels
#endif

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/activation.h"
#include "kernels/simd/conv.h"
#include "tensor/window.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/depthwise.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/activation-inl.h"

#ifndef TERCEL_DEPTHWISE_ONCE
#define TERCEL_DEPTHWISE_ONCE
namespace tercel::inline kernels {

struct DepthwiseJob {
  int64_t n, c;
  Window h, w;
  ActivationOf activation;
  const float* weights;  // kh kw c
  const float* bias;     // c
  const float* src;
  const float* residual;
  float* dst;
};

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// P neighbouring pixels of one result row whose taps [kw_begin, kw_end) all lie inside the source.
template <int P, class D>
HWY_INLINE void Pixels(D d, const DepthwiseJob& job, int64_t row, int64_t ow, Range taps_h, Range taps_w) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t c = job.c, n = row / job.h.output, oh = row % job.h.output;
  const int64_t step = job.w.stride * c;
  const float* pixel = job.src + (n * job.h.input * job.w.input + job.w.start(ow)) * c;
  float* out = job.dst + (row * job.w.output + ow) * c;
  const float* residual = job.residual == nullptr ? nullptr : job.residual + (row * job.w.output + ow) * c;
  const V alpha = hn::Set(d, job.activation.alpha), beta = hn::Set(d, job.activation.beta);
  for (int64_t c0 = 0; c0 < c; c0 += lanes) {
    const int64_t at = std::min(c0, c - lanes);  // the last vector may overlap the one before: it writes the same again
    V acc[P];
    const V bias = hn::LoadU(d, job.bias + at);
    for (int p = 0; p < P; ++p) acc[p] = bias;
    for (int64_t kh = taps_h.begin; kh < taps_h.end; ++kh) {
      const int64_t ih = job.h.start(oh) + kh * job.h.dilation;
      for (int64_t kw = taps_w.begin; kw < taps_w.end; ++kw) {
        const V w = hn::LoadU(d, job.weights + (kh * job.w.kernel + kw) * c + at);
        const float* x = pixel + (ih * job.w.input + kw * job.w.dilation) * c + at;
        HWY_UNROLL(8)
        for (int p = 0; p < P; ++p) acc[p] = hn::MulAdd(hn::LoadU(d, x + p * step), w, acc[p]);
      }
    }
    for (int p = 0; p < P; ++p) {
      if (residual != nullptr) acc[p] = hn::Add(acc[p], hn::LoadU(d, residual + p * c + at));
      hn::StoreU(Activate(d, job.activation.kind, acc[p], alpha, beta), d, out + p * c + at);
    }
  }
}

template <class D>
void DepthwiseRows(D d, const DepthwiseJob& job, int64_t begin, int64_t end) {
  constexpr int kPixels = 4;
  const Range all{0, job.w.kernel};
  for (int64_t row = begin; row < end; ++row) {
    const Range taps_h = job.h.taps(row % job.h.output);
    int64_t ow = 0;
    while (ow < job.w.output) {
      const int64_t last = ow + kPixels - 1;
      const bool inner = last < job.w.output && job.w.taps(ow) == all && job.w.taps(last) == all;
      if (inner) Pixels<kPixels>(d, job, row, ow, taps_h, all);
      else Pixels<1>(d, job, row, ow, taps_h, job.w.taps(ow));
      ow += inner ? kPixels : 1;
    }
  }
}

/// Result rows [begin, end), counted over the batch.
void DepthwisePart(const DepthwiseJob& job, int64_t begin, int64_t end) {
  const hn::ScalableTag<float> full;
  const hn::CappedTag<float, 4> quarter;
  if (job.c >= static_cast<int64_t>(hn::Lanes(full))) DepthwiseRows(full, job, begin, end);
  else if (job.c >= static_cast<int64_t>(hn::Lanes(quarter))) DepthwiseRows(quarter, job, begin, end);
  else DepthwiseRows(hn::CappedTag<float, 1>(), job, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

class DepthwiseKernel final : public Kernel {
 public:
  explicit DepthwiseKernel(const Problem& p) : run_(TERCEL_PICK(p.isa, DepthwisePart)) {
    const Dims& x = p.src[0].dims;
    const Dims& weights = p.src[1].dims;
    const auto windows = conv_windows(*p.attrs, std::span(x).subspan(2), std::span(weights).subspan(2));
    job_.n = x[0];
    job_.c = x[1];
    job_.h = windows[0];
    job_.w = windows[1];
    job_.activation = ActivationOf(*p.attrs);
    const int64_t area = weights[2] * weights[3];
    weights_ = p.packed(1, "channels last", static_cast<size_t>(job_.c * area) * sizeof(float), [&](std::byte* packed) {
      for (int64_t c = 0; c < job_.c; ++c)
        for (int64_t k = 0; k < area; ++k)
          reinterpret_cast<float*>(packed)[k * job_.c + c] = p.src[1].constant.at<float>(c * area + k);
    });
    bias_.resize(static_cast<size_t>(job_.c), 0.0f);
    if (p.input(2))
      for (int64_t c = 0; c < job_.c; ++c) bias_[static_cast<size_t>(c)] = p.src[2].constant.at<float>(c);
  }

  bool consumed(size_t operand) const override { return operand == 1 || operand == 2; }
  size_t packed_bytes() const override { return weights_->size() + bias_.size() * sizeof(float); }

  void run(const Args& args) const override {
    DepthwiseJob job = job_;
    job.weights = reinterpret_cast<const float*>(weights_->data());
    job.bias = bias_.data();
    job.src = reinterpret_cast<const float*>(args.src[0]);
    job.dst = reinterpret_cast<float*>(args.dst[0]);
    job.residual = args.src.size() > 3 ? reinterpret_cast<const float*>(args.src[3]) : nullptr;
    const int64_t work = job.w.output * job.c * job.h.kernel * job.w.kernel;
    parallel_for(job.n * job.h.output, std::max<int64_t>(1, 32768 / work),
                 [&](int64_t b, int64_t e) { run_(job, b, e); });
  }

 private:
  void (*run_)(const DepthwiseJob&, int64_t, int64_t);
  DepthwiseJob job_{};
  std::shared_ptr<const Buffer> weights_;
  std::vector<float> bias_;
};

std::string why_not(const Problem& p) {
  if (p.src[0].rank() != 4) return fmt::format("rank {}, not 4", p.src[0].rank());
  const int64_t channels = p.src[0].dims[1];
  if (p.attrs->get_int("group") != channels || p.src[1].dims[0] != channels || channels == 1)
    return fmt::format("not depthwise: {} groups, {} channels in, {} out", p.attrs->get_int("group"), channels,
                       p.src[1].dims[0]);
  if (!p.src[1].constant || (p.input(2) && !p.src[2].constant)) return "weights or bias are not constant";
  if (p.input(3).constant) return "the residual is a constant";
  if (p.dst[0].elements() == 0) return "nothing to compute";
  return {};
}

}  // namespace

Variant simd_depthwise() {
  return {"simd_depthwise", LayoutRule::channels_last, Elements::f32, why_not, make_kernel<DepthwiseKernel>};
}

}  // namespace tercel::inline kernels
#endif

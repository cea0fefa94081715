#include <algorithm>
#include <cmath>
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
  bool finite;           // all weights are: then padding may be read as zeros
  const float* weights;  // kh kw c
  const float* bias;     // c
  const float* zero;     // c
  const float* src;      // row source_first
  const float* residual;
  float* dst;  // row result_first
  int64_t source_first = 0, result_first = 0;
};

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The results of P pixels of c channels, before the activation. At `at`, a vector of channels.
template <int P, class D>
HWY_INLINE void Leave(D d, hn::Vec<D> (&acc)[P], const float* residual, float* out, int64_t c, int64_t at,
                      const Clamp& clamp) {
  const auto low = hn::Set(d, clamp.low), high = hn::Set(d, clamp.high);
  HWY_UNROLL(8)
  for (int p = 0; p < P; ++p) {
    if (residual != nullptr) acc[p] = hn::Add(acc[p], hn::LoadU(d, residual + p * c + at));
    hn::StoreU(Clip(d, acc[p], low, high), d, out + p * c + at);
  }
}

/// P neighbouring pixels of one result row from `ow` on, kernels of K columns without dilation, stride S: each pixel of
/// the source is loaded once for all results of the row that it takes part in. Padding is read as zeros.
template <int K, int S, int P, class D>
HWY_NOINLINE void Strip(D d, const DepthwiseJob& job, int64_t row, int64_t ow) {
  using V = hn::Vec<D>;
  constexpr int kSources = (P - 1) * S + K;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t c = job.c, n = row / job.h.output, oh = row % job.h.output;
  const Range taps = job.h.taps(oh);
  const float* source[K][kSources];  // by kernel row, pixel
  const float* kernel[K];            // by kernel row
  const auto rows = static_cast<int>(taps.size());
  for (int i = 0; i < rows; ++i) {
    const int64_t kh = taps.begin + i, ih = job.h.start(oh) + kh * job.h.dilation, first = job.w.start(ow);
    const float* line = job.src + (n * job.h.input + ih - job.source_first) * job.w.input * c;
    for (int j = 0; j < kSources; ++j) {
      const int64_t iw = first + j;
      source[i][j] = iw >= 0 && iw < job.w.input ? line + iw * c : job.zero;
    }
    kernel[i] = job.weights + kh * K * c;
  }
  const int64_t offset = (row * job.w.output + ow) * c;
  float* out = job.dst + offset - job.result_first * job.w.output * c;
  const float* residual = job.residual == nullptr ? nullptr : job.residual + offset;
  const Clamp clamp(job.activation.kind, job.activation.alpha, job.activation.beta);
  for (int64_t c0 = 0; c0 < c; c0 += lanes) {
    const int64_t at = std::min(c0, c - lanes);  // the last vector may overlap the one before: it writes the same again
    V acc[P];
    const V bias = hn::LoadU(d, job.bias + at);
    HWY_UNROLL(8)
    for (int p = 0; p < P; ++p) acc[p] = bias;
    for (int i = 0; i < rows; ++i) {
      V w[K];
      HWY_UNROLL(8)
      for (int k = 0; k < K; ++k) w[k] = hn::LoadU(d, kernel[i] + k * c + at);
      HWY_UNROLL(24)
      for (int j = 0; j < kSources; ++j) {
        const V x = hn::LoadU(d, source[i][j] + at);
        HWY_UNROLL(8)
        for (int p = 0; p < P; ++p)
          if (j >= p * S && j < p * S + K) acc[p] = hn::MulAdd(x, w[j - p * S], acc[p]);
      }
    }
    Leave(d, acc, residual, out, c, at, clamp);
  }
}

/// One pixel of any window: taps in padding are left out.
template <class D>
HWY_INLINE void Pixel(D d, const DepthwiseJob& job, int64_t row, int64_t ow) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t c = job.c, n = row / job.h.output, oh = row % job.h.output;
  const Range taps_h = job.h.taps(oh), taps_w = job.w.taps(ow);
  const float* pixel = job.src + ((n * job.h.input - job.source_first) * job.w.input + job.w.start(ow)) * c;
  const int64_t offset = (row * job.w.output + ow) * c;
  float* out = job.dst + offset - job.result_first * job.w.output * c;
  const float* residual = job.residual == nullptr ? nullptr : job.residual + offset;
  const Clamp clamp(job.activation.kind, job.activation.alpha, job.activation.beta);
  for (int64_t c0 = 0; c0 < c; c0 += lanes) {
    const int64_t at = std::min(c0, c - lanes);
    V acc[1] = {hn::LoadU(d, job.bias + at)};
    for (int64_t kh = taps_h.begin; kh < taps_h.end; ++kh) {
      const int64_t ih = job.h.start(oh) + kh * job.h.dilation;
      for (int64_t kw = taps_w.begin; kw < taps_w.end; ++kw)
        acc[0] = hn::MulAdd(hn::LoadU(d, pixel + (ih * job.w.input + kw * job.w.dilation) * c + at),
                            hn::LoadU(d, job.weights + (kh * job.w.kernel + kw) * c + at), acc[0]);
    }
    Leave(d, acc, residual, out, c, at, clamp);
  }
}

/// P pixels at a time; the last strip may overlap the one before: it writes the same again.
template <int K, int S, int P, class D>
HWY_INLINE void Strips(D d, const DepthwiseJob& job, int64_t row) {
  for (int64_t ow = 0; ow < job.w.output; ow += P) Strip<K, S, P>(d, job, row, std::min(ow, job.w.output - P));
}

template <int K, int S, class D>
HWY_INLINE void StripsOfRow(D d, const DepthwiseJob& job, int64_t row) {
  // Seven results, their kernel row and a pixel fit 16 registers; and the maps of pictures of 224 x 224 are multiples
  // of it.
  if (job.w.output >= 7) return Strips<K, S, 7>(d, job, row);
  if (job.w.output >= 4) return Strips<K, S, 4>(d, job, row);
  Strips<K, S, 1>(d, job, row);
}

template <class D>
void Row(D d, const DepthwiseJob& job, int64_t row) {
  const Window& w = job.w;
  if (job.finite && w.dilation == 1 && job.h.kernel <= w.kernel) {
    if (w.kernel == 3 && w.stride == 1) return StripsOfRow<3, 1>(d, job, row);
    if (w.kernel == 3 && w.stride == 2) return StripsOfRow<3, 2>(d, job, row);
    if (w.kernel == 5 && w.stride == 1) return StripsOfRow<5, 1>(d, job, row);
    if (w.kernel == 5 && w.stride == 2) return StripsOfRow<5, 2>(d, job, row);
    if (w.kernel == 7 && w.stride == 1) return StripsOfRow<7, 1>(d, job, row);
  }
  for (int64_t ow = 0; ow < w.output; ++ow) Pixel(d, job, row, ow);
}

/// Result rows [begin, end), counted over the batch.
void DepthwisePart(const DepthwiseJob& job, int64_t begin, int64_t end) {
  const hn::ScalableTag<float> full;
  const hn::CappedTag<float, 4> quarter;
  for (int64_t row = begin; row < end; ++row) {
    if (job.c >= static_cast<int64_t>(hn::Lanes(full))) Row(full, job, row);
    else if (job.c >= static_cast<int64_t>(hn::Lanes(quarter))) Row(quarter, job, row);
    else Row(hn::CappedTag<float, 1>(), job, row);
    const auto& [kind, alpha, beta] = job.activation;
    const int64_t elements = job.w.output * job.c;
    if (!is_clamp(kind)) ActivateRow(kind, alpha, beta, job.dst + (row - job.result_first) * elements, elements);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

class DepthwiseKernel final : public Kernel, public ByRows {
 public:
  explicit DepthwiseKernel(const Problem& p)
      : run_(TERCEL_PICK(p.isa, DepthwisePart)), zero_(static_cast<size_t>(p.src[0].dims[1]), 0.0f) {
    const Dims& x = p.src[0].dims;
    const Dims& weights = p.src[1].dims;
    const auto windows = conv_windows(*p.attrs, std::span(x).subspan(2), std::span(weights).subspan(2));
    job_.n = x[0];
    job_.c = x[1];
    job_.h = windows[0];
    job_.w = windows[1];
    job_.activation = ActivationOf(*p.attrs);
    job_.finite = p.src[1].constant.finite();
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

  const ByRows* by_rows() const override { return this; }
  Range source_rows(Range rows) const override { return tercel::source_rows(job_.h, rows); }

  void run(const Args& args) const override {
    run_rows({{0, job_.n * job_.h.output}, args.src[0], 0, args.dst[0], 0, args.src});
  }

  void run_rows(const RowArgs& args) const override {
    DepthwiseJob job = job_;
    job.weights = reinterpret_cast<const float*>(weights_->data());
    job.bias = bias_.data();
    job.zero = zero_.data();
    job.src = reinterpret_cast<const float*>(args.source);
    job.source_first = args.source_first;
    job.dst = reinterpret_cast<float*>(args.result);
    job.result_first = args.result_first;
    job.residual = args.src.size() > 3 ? reinterpret_cast<const float*>(args.src[3]) : nullptr;
    const int64_t work = job.w.output * job.c * job.h.kernel * job.w.kernel;
    parallel_for(args.rows.size(), std::max<int64_t>(1, 32768 / work),
                 [&](int64_t b, int64_t e) { run_(job, args.rows.begin + b, args.rows.begin + e); });
  }

 private:
  void (*run_)(const DepthwiseJob&, int64_t, int64_t);
  DepthwiseJob job_{};
  std::shared_ptr<const Buffer> weights_;
  std::vector<float> bias_, zero_;
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

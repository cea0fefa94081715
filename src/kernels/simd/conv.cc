#include "kernels/simd/conv.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "base/error.h"
#include "base/threads.h"
#include "kernels/activation.h"
#include "kernels/simd/gemm.h"
#include "tensor/window.h"

namespace tercel {
namespace {

constexpr size_t kWeights = 1, kBias = 2, kResidual = 3;

/// Below this many channels a group one kernel position is too short a sum: whole kernel rows are summed at once, over
/// a copy of the source with its padding written out.
constexpr int64_t kFewChannels = 16;

struct Geometry {
  int64_t n, c, oc, group, icg, ocg;
  Window h, w;
  bool pointwise;  ///< the rows of the product are the pixels themselves
  bool merged;     ///< a kernel row of pixels is one tap

  explicit Geometry(const Problem& p) {
    const Dims& x = p.src[0].dims;
    const Dims& weights = p.src[kWeights].dims;
    n = x[0];
    c = x[1];
    oc = weights[0];
    group = p.attrs->get_int("group");
    icg = c / group;
    ocg = oc / group;
    const auto windows = conv_windows(*p.attrs, std::span(x).subspan(2), std::span(weights).subspan(2));
    h = windows[0];
    w = windows[1];
    pointwise = h.kernel == 1 && w.kernel == 1 && h.stride == 1 && w.stride == 1 && !padded();
    merged = !pointwise && group == 1 && w.dilation == 1 && icg < kFewChannels && copy_is_small();
  }
  bool padded() const { return h.pad_begin != 0 || h.pad_end != 0 || w.pad_begin != 0 || w.pad_end != 0; }
  int64_t padded_height() const { return h.input + h.pad_begin + h.pad_end; }
  int64_t padded_width() const { return w.input + w.pad_begin + w.pad_end; }
  /// Pads come from strangers: with a stride as absurd they give a small result, but no copy that fits memory.
  bool copy_is_small() const {
    const auto area = checked_mul(padded_height(), padded_width());
    return !padded() || (area && *area <= 16 * h.input * w.input + 4096);
  }
  int64_t taps() const { return merged ? h.kernel : h.kernel * w.kernel; }
  int64_t depth() const { return merged ? w.kernel * icg : icg; }
};

/// What the row finder needs to know, for one run.
struct Rows {
  const Geometry* g;
  const float* src;   // first channel of the group
  const float* zero;  // icg zeros: what padding reads
  int64_t height, width;
  int64_t pad_h, pad_w;
};

void find_rows(const void* context, int64_t first, int count, int stride, const float** out) {
  const Rows& r = *static_cast<const Rows*>(context);
  const Geometry& g = *r.g;
  int64_t ow = first % g.w.output, oh = first / g.w.output % g.h.output, n = first / (g.w.output * g.h.output);
  for (int i = 0; i < count; ++i) {
    const int64_t w0 = ow * g.w.stride - r.pad_w;
    for (int64_t kh = 0; kh < g.h.kernel; ++kh) {
      const int64_t ih = oh * g.h.stride - r.pad_h + kh * g.h.dilation;
      const bool row_inside = ih >= 0 && ih < r.height;
      const float* row = r.src + (n * r.height + ih) * r.width * g.c;
      if (g.merged) {
        out[kh * stride + i] = row + w0 * g.c;
        continue;
      }
      for (int64_t kw = 0; kw < g.w.kernel; ++kw) {
        const int64_t iw = w0 + kw * g.w.dilation;
        out[(kh * g.w.kernel + kw) * stride + i] = row_inside && iw >= 0 && iw < r.width ? row + iw * g.c : r.zero;
      }
    }
    if (++ow == g.w.output) {
      ow = 0;
      if (++oh == g.h.output) oh = 0, ++n;
    }
  }
}

/// Offsets in o i kh kw weights, in the order in which the product sums: tap by tap, channels innermost.
std::vector<int64_t> summing_order(const Geometry& g) {
  const int64_t area = g.h.kernel * g.w.kernel;
  std::vector<int64_t> offsets;
  for (int64_t tap = 0; tap < area; ++tap)
    for (int64_t c = 0; c < g.icg; ++c) offsets.push_back(c * area + tap);
  return offsets;
}

class ConvKernel final : public Kernel {
 public:
  explicit ConvKernel(const Problem& p)
      : g_(p), isa_(p.isa), activation_(*p.attrs), zero_(static_cast<size_t>(g_.icg), 0.0f) {
    const auto order = summing_order(g_);
    const auto k = static_cast<int64_t>(order.size());
    group_floats_ = packed_b_floats(k, g_.ocg, isa_);
    packed_ = p.packed(kWeights, fmt::format("conv {} {} groups", to_string(isa_), g_.group),
                       group_floats_ * static_cast<size_t>(g_.group) * sizeof(float), [&](std::byte* packed) {
                         const std::byte* weights = p.src[kWeights].constant.data();
                         for (int64_t group = 0; group < g_.group; ++group)
                           pack_b(weights + group * g_.ocg * k * static_cast<int64_t>(sizeof(float)), order, g_.ocg, k,
                                  isa_, reinterpret_cast<float*>(packed) + static_cast<size_t>(group) * group_floats_);
                       });
    if (p.input(kBias)) {
      bias_stride_ = round_up<int64_t>(g_.ocg, gemm_tile(isa_).columns);
      bias_.resize(static_cast<size_t>(bias_stride_ * g_.group), 0.0f);
      for (int64_t o = 0; o < g_.oc; ++o)
        bias_[static_cast<size_t>(o / g_.ocg * bias_stride_ + o % g_.ocg)] = p.src[kBias].constant.at<float>(o);
    }
  }

  size_t scratch_bytes() const override {
    return g_.merged && g_.padded()
               ? static_cast<size_t>(g_.n * g_.padded_height() * g_.padded_width() * g_.c) * sizeof(float)
               : 0;
  }
  bool consumed(size_t operand) const override { return operand == kWeights || operand == kBias; }
  size_t packed_bytes() const override { return packed_->size() + bias_.size() * sizeof(float); }

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const float*>(args.src[0]);
    Rows rows{&g_, src, zero_.data(), g_.h.input, g_.w.input, g_.h.pad_begin, g_.w.pad_begin};
    if (g_.merged && g_.padded()) {
      auto* copy = reinterpret_cast<float*>(args.scratch);
      write_padded(src, copy);
      rows = {&g_, copy, nullptr, g_.padded_height(), g_.padded_width(), 0, 0};
    }
    GemmJob job;
    job.m = g_.n * g_.h.output * g_.w.output;
    job.n = g_.ocg;
    job.depth = g_.depth();
    job.taps = static_cast<int>(g_.taps());
    job.lda = g_.c;
    job.ldd = g_.oc;
    job.activation = activation_.kind;
    job.alpha = activation_.alpha;
    job.beta = activation_.beta;
    const float* first = rows.src;
    for (int64_t group = 0; group < g_.group; ++group) {
      rows.src = first + group * g_.icg;
      if (g_.pointwise) {
        job.a = rows.src;
      } else {
        job.find_rows = find_rows;
        job.context = &rows;
      }
      job.b = weights(group);
      job.bias = bias_.empty() ? nullptr : bias_.data() + group * bias_stride_;
      job.dst = reinterpret_cast<float*>(args.dst[0]) + group * g_.ocg;
      const bool adds = args.src.size() > kResidual && args.src[kResidual] != nullptr;
      job.residual = adds ? reinterpret_cast<const float*>(args.src[kResidual]) + group * g_.ocg : nullptr;
      gemm(job, isa_);
    }
  }

 private:
  const float* weights(int64_t group) const {
    return reinterpret_cast<const float*>(packed_->data()) + static_cast<size_t>(group) * group_floats_;
  }

  void write_padded(const float* src, float* copy) const {
    const int64_t height = g_.padded_height(), row = g_.padded_width() * g_.c, inner = g_.w.input * g_.c;
    const int64_t left = g_.w.pad_begin * g_.c;
    parallel_for(g_.n * height, std::max<int64_t>(1, 16384 / (row + 1)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float* to = copy + i * row;
        const int64_t ih = i % height - g_.h.pad_begin;
        if (ih < 0 || ih >= g_.h.input) {
          std::fill(to, to + row, 0.0f);
          continue;
        }
        std::fill(to, to + left, 0.0f);
        std::memcpy(to + left, src + (i / height * g_.h.input + ih) * inner,
                    static_cast<size_t>(inner) * sizeof(float));
        std::fill(to + left + inner, to + row, 0.0f);
      }
    });
  }

  Geometry g_;
  Isa isa_;
  ActivationOf activation_;
  std::vector<float> zero_;
  size_t group_floats_ = 0;
  std::shared_ptr<const Buffer> packed_;
  std::vector<float> bias_;
  int64_t bias_stride_ = 0;
};

std::string why_not(const Problem& p) {
  if (p.src[0].dtype != DType::f32) return fmt::format("elements are {}, not f32", to_string(p.src[0].dtype));
  if (p.src[0].rank() != 4) return fmt::format("rank {}, not 4", p.src[0].rank());
  if (!p.src[kWeights].constant) return "the weights are not constant";
  if (p.input(kBias) && !p.src[kBias].constant) return "the bias is not constant";
  if (p.input(kResidual).constant) return "the residual is a constant";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  const Geometry g(p);
  if (g.taps() > kMaxTaps) return fmt::format("{} kernel positions, more than {}", g.taps(), kMaxTaps);
  return {};
}

}  // namespace

Variant simd_conv() {
  return {"simd_conv", LayoutRule::channels_last, why_not,
          [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<ConvKernel>(p); }};
}

}  // namespace tercel

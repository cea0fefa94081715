#include "kernels/simd/conv.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "base/error.h"
#include "base/threads.h"
#include "kernels/activation.h"
#include "kernels/simd/conv_rows.h"
#include "kernels/simd/gemm.h"

namespace tercel::inline kernels {
namespace {

constexpr size_t kWeights = 1, kBias = 2, kResidual = 3;

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
    ConvRows<float> rows{&g_, src, zero_.data(), g_.h.input, g_.w.input, g_.h.pad_begin, g_.w.pad_begin};
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
      rows.give_to(job);
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

  ConvSizes g_;
  Isa isa_;
  ActivationOf activation_;
  std::vector<float> zero_;
  size_t group_floats_ = 0;
  std::shared_ptr<const Buffer> packed_;
  std::vector<float> bias_;
  int64_t bias_stride_ = 0;
};

std::string why_not(const Problem& p) {
  if (p.src[0].rank() != 4) return fmt::format("rank {}, not 4", p.src[0].rank());
  if (!p.src[kWeights].constant) return "the weights are not constant";
  if (p.input(kBias) && !p.src[kBias].constant) return "the bias is not constant";
  if (p.input(kResidual).constant) return "the residual is a constant";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  const ConvSizes g(p);
  if (g.taps() > kMaxTaps) return fmt::format("{} kernel positions, more than {}", g.taps(), kMaxTaps);
  return {};
}

}  // namespace

Variant simd_conv() {
  return {"simd_conv", LayoutRule::channels_last, Elements::f32, why_not,
          [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<ConvKernel>(p); }};
}

}  // namespace tercel::inline kernels

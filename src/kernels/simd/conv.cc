#include "kernels/simd/conv.h"

#include "base/error.h"
#include "kernels/activation.h"
#include "kernels/simd/conv_operands.h"

namespace tercel::inline kernels {
namespace {

class ConvKernel final : public Kernel, public ByRows {
 public:
  explicit ConvKernel(const Problem& p)
      : g_(p), operands_(p, g_), isa_(p.isa), activation_(*p.attrs), zero_(static_cast<size_t>(g_.icg), 0.0f) {}

  size_t scratch_bytes() const override { return static_cast<size_t>(g_.padded_elements()) * sizeof(float); }
  bool consumed(size_t operand) const override { return ConvOperands::consumed(operand); }
  size_t packed_bytes() const override { return operands_.bytes(); }
  const ByRows* by_rows() const override { return g_.padded_elements() == 0 ? this : nullptr; }
  Range source_rows(Range rows) const override { return tercel::source_rows(g_.h, rows); }

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const float*>(args.src[0]);
    const ConvRows<float> rows = conv_rows(g_, src, zero_.data(), reinterpret_cast<float*>(args.scratch));
    multiply(rows, {0, g_.n * g_.h.output}, args.src, reinterpret_cast<float*>(args.dst[0]));
  }

  void run_rows(const RowArgs& args) const override {
    const auto* src = reinterpret_cast<const float*>(args.source);
    ConvRows<float> rows = conv_rows<float>(g_, src, zero_.data(), nullptr);
    rows.source_first = args.source_first;
    rows.first_pixel = args.rows.begin * g_.w.output;
    multiply(rows, args.rows, args.src,
             reinterpret_cast<float*>(args.result) + (args.rows.begin - args.result_first) * g_.w.output * g_.oc);
  }

 private:
  /// The result's rows [begin, end), to dst.
  void multiply(ConvRows<float> rows, Range range, std::span<const std::byte* const> src, float* dst) const {
    GemmJob job;
    job.m = range.size() * g_.w.output;
    job.n = g_.ocg;
    job.depth = g_.depth();
    job.taps = static_cast<int>(g_.taps());
    job.lda = g_.c;
    job.ldd = g_.oc;
    job.activation = activation_.kind;
    job.alpha = activation_.alpha;
    job.beta = activation_.beta;
    const bool adds = src.size() > kConvResidual && src[kConvResidual] != nullptr;
    const float* residual = adds ? reinterpret_cast<const float*>(src[kConvResidual]) : nullptr;
    const float* first = rows.src;
    for (int64_t group = 0; group < g_.group; ++group) {
      rows.src = first + group * g_.icg;
      rows.give_to(job);
      operands_.give_to(job, group);
      job.bias = operands_.bias(group);
      job.dst = dst + group * g_.ocg;
      job.residual = adds ? residual + range.begin * g_.w.output * g_.oc + group * g_.ocg : nullptr;
      gemm(job, isa_);
    }
  }

  ConvSizes g_;
  ConvOperands operands_;
  Isa isa_;
  ActivationOf activation_;
  std::vector<float> zero_;
};

std::string why_not(const Problem& p) {
  if (std::string reason = why_no_dense_conv(p); !reason.empty()) return reason;
  const ConvSizes g(p);
  if (g.taps() > kMaxTaps) return fmt::format("{} kernel positions, more than {}", g.taps(), kMaxTaps);
  return {};
}

}  // namespace

Variant simd_conv() {
  return {"simd_conv", LayoutRule::channels_last, Elements::f32, why_not, make_kernel<ConvKernel>};
}

}  // namespace tercel::inline kernels

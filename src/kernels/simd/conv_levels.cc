#include <algorithm>

#include "base/error.h"
#include "kernels/levels.h"
#include "kernels/simd/conv_rows.h"
#include "kernels/simd/gemm_levels.h"
#include "kernels/simd/level_operands.h"
#include "kernels/simd/levels.h"

namespace tercel::inline kernels {
namespace {

constexpr size_t kWeights = 1, kBias = 2;

class ConvLevelsKernel final : public Kernel {
 public:
  explicit ConvLevelsKernel(const Problem& p)
      : g_(p),
        isa_(p.isa),
        form_(levels_form(p.isa, p.src[kWeights])),
        a_signed_(p.src[0].dtype == DType::i8),
        padding_(static_cast<size_t>(g_.icg), static_cast<uint8_t>(p.src[0].quantization->zeros[0])) {
    const Operand& weights = p.src[kWeights];
    const auto order = summing_order(g_);
    const auto k = static_cast<int64_t>(order.size());
    const LevelReader read(weights);
    const std::vector<Ratio> ratios =
        product_ratios(*p.src[0].quantization, *weights.quantization, *p.dst[0].quantization);
    group_bytes_ = packed_levels(g_.depth(), g_.taps(), g_.ocg, form_);
    const auto weight_of = [&](int64_t group) {
      return [&, first = group * g_.ocg](int64_t i, int64_t column) {
        return read((first + column) * k + order[static_cast<size_t>(i)], first + column);
      };
    };
    packed_ = p.packed(kWeights, form_of_levels(p, fmt::format("conv_levels {} groups", g_.group)),
                       group_bytes_ * static_cast<size_t>(g_.group), [&](std::byte* packed) {
                         for (int64_t group = 0; group < g_.group; ++group)
                           pack_levels(g_.depth(), g_.taps(), g_.ocg, form_, weight_of(group),
                                       packed + static_cast<size_t>(group) * group_bytes_);
                       });
    for (int64_t group = 0; group < g_.group; ++group)
      columns_.push_back(level_columns(p, form_, group * g_.ocg, g_.ocg, k, ratios, kBias, weight_of(group)));
  }

  size_t scratch_bytes() const override { return static_cast<size_t>(g_.padded_elements()); }
  bool consumed(size_t operand) const override { return operand == kWeights || operand == kBias; }
  size_t packed_bytes() const override { return packed_->size() + columns_.size() * columns_[0].bytes(); }

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const uint8_t*>(args.src[0]);
    ConvRows<uint8_t> rows = conv_rows(g_, src, padding_.data(), reinterpret_cast<uint8_t*>(args.scratch));
    const uint8_t* first = rows.src;
    LevelsJob job;
    job.m = g_.n * g_.h.output * g_.w.output;
    job.n = g_.ocg;
    job.depth = g_.depth();
    job.taps = static_cast<int>(g_.taps());
    job.a_signed = a_signed_;
    job.group = form_.group;
    job.lda = g_.c;
    job.ldd = g_.oc;
    for (int64_t group = 0; group < g_.group; ++group) {
      rows.src = first + group * g_.icg;
      rows.give_to(job);
      job.b = packed_->data() + static_cast<size_t>(group) * group_bytes_;
      columns_[static_cast<size_t>(group)].give_to(job);
      job.dst = reinterpret_cast<uint8_t*>(args.dst[0]) + group * g_.ocg;
      gemm_levels(job, isa_);
    }
  }

 private:
  ConvSizes g_;
  Isa isa_;
  LevelsForm form_;
  bool a_signed_;
  std::vector<uint8_t> padding_;
  size_t group_bytes_ = 0;
  std::shared_ptr<const Buffer> packed_;
  std::vector<LevelColumns> columns_;  // per group
};

std::string refuse(const Problem& p) {
  if (p.src[0].rank() != 4) return fmt::format("rank {}, not 4", p.src[0].rank());
  if (!p.src[kWeights].constant) return "the weights are not constant";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  const ConvSizes g(p);
  if (g.taps() > kMaxTaps) return fmt::format("{} kernel positions, more than {}", g.taps(), kMaxTaps);
  return refuse_sums(p, g.depth() * g.taps(), kBias);
}

}  // namespace

Variant simd_conv_levels() {
  return {"simd_conv_levels", LayoutRule::channels_last, Elements::levels, refuse, make_kernel<ConvLevelsKernel>};
}

}  // namespace tercel::inline kernels

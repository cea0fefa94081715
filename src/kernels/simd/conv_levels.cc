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
      : g_(p, false),
        isa_(p.isa),
        a_signed_(p.src[0].dtype == DType::i8),
        padding_(static_cast<size_t>(g_.icg), static_cast<uint8_t>(p.src[0].quantization->zeros[0])) {
    const Operand& weights = p.src[kWeights];
    const auto order = summing_order(g_);
    const auto k = static_cast<int64_t>(order.size());
    const LevelReader read(weights);
    const std::vector<Ratio> ratios =
        product_ratios(*p.src[0].quantization, *weights.quantization, *p.dst[0].quantization);
    const LevelRange to = range_after(ActivationOf(*p.attrs), p.dst[0].dtype, *p.dst[0].quantization);
    const int64_t x_zero = p.src[0].quantization->zeros[0];
    group_size_ = packed_levels(g_.icg, g_.taps(), g_.ocg, isa_);
    packed_ = Buffer(group_size_ * static_cast<size_t>(g_.group) * sizeof(int16_t));
    for (int64_t group = 0; group < g_.group; ++group) {
      const int64_t first = group * g_.ocg;
      const auto weight = [&](int64_t i, int64_t column) {
        return static_cast<int16_t>(read((first + column) * k + order[static_cast<size_t>(i)], first + column));
      };
      pack_levels(g_.icg, g_.taps(), g_.ocg, isa_, weight, packed(group));
      LevelColumns& columns = columns_.emplace_back(g_.ocg, isa_, to);
      for (int64_t o = 0; o < g_.ocg; ++o) {
        int64_t sum = 0;
        for (int64_t i = 0; i < k; ++i) sum += weight(i, o);
        const int64_t bias = p.input(kBias) ? p.src[kBias].constant.at<int32_t>(first + o) : 0;
        columns.set(o, wrapped(bias - x_zero * sum), ratios[ratios.size() > 1 ? static_cast<size_t>(first + o) : 0]);
      }
    }
  }

  bool consumed(size_t operand) const override { return operand == kWeights || operand == kBias; }
  size_t packed_bytes() const override { return packed_.size() + columns_.size() * columns_[0].bias.size() * 12; }

  void run(const Args& args) const override {
    const auto* src = reinterpret_cast<const uint8_t*>(args.src[0]);
    ConvRows<uint8_t> rows{&g_, src, padding_.data(), g_.h.input, g_.w.input, g_.h.pad_begin, g_.w.pad_begin};
    LevelsJob job;
    job.m = g_.n * g_.h.output * g_.w.output;
    job.n = g_.ocg;
    job.depth = g_.icg;
    job.taps = static_cast<int>(g_.taps());
    job.a_signed = a_signed_;
    job.lda = g_.c;
    job.ldd = g_.oc;
    for (int64_t group = 0; group < g_.group; ++group) {
      rows.src = src + group * g_.icg;
      if (g_.pointwise) {
        job.a = rows.src;
      } else {
        job.find_rows = find_conv_rows<uint8_t>;
        job.context = &rows;
      }
      job.b = packed(group);
      job.columns = &columns_[static_cast<size_t>(group)];
      job.dst = reinterpret_cast<uint8_t*>(args.dst[0]) + group * g_.ocg;
      gemm_levels(job, isa_);
    }
  }

 private:
  int16_t* packed(int64_t group) const {
    return reinterpret_cast<int16_t*>(packed_.data()) + static_cast<size_t>(group) * group_size_;
  }

  ConvSizes g_;
  Isa isa_;
  bool a_signed_;
  std::vector<uint8_t> padding_;
  size_t group_size_ = 0;
  Buffer packed_;
  std::vector<LevelColumns> columns_;  // per group
};

std::string refuse(const Problem& p) {
  if (p.src[0].rank() != 4) return fmt::format("rank {}, not 4", p.src[0].rank());
  if (!p.src[kWeights].constant) return "the weights are not constant";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  const ConvSizes g(p, false);
  if (g.taps() > kMaxTaps) return fmt::format("{} kernel positions, more than {}", g.taps(), kMaxTaps);
  return refuse_sums(p, g.icg * g.taps(), kBias);
}

}  // namespace

Variant simd_conv_levels() {
  return {"simd_conv_levels", LayoutRule::channels_last, Elements::levels, refuse,
          [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<ConvLevelsKernel>(p); }};
}

}  // namespace tercel::inline kernels

#include "kernels/simd/conv_operands.h"

#include "base/bits.h"
#include "base/error.h"

namespace tercel::inline kernels {

std::string why_no_dense_conv(const Problem& p) {
  if (p.src[0].rank() != 4) return fmt::format("rank {}, not 4", p.src[0].rank());
  if (!p.src[kConvWeights].constant) return "the weights are not constant";
  if (p.input(kConvBias) && !p.src[kConvBias].constant) return "the bias is not constant";
  if (p.input(kConvResidual).constant) return "the residual is a constant";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  return {};
}

ConvOperands::ConvOperands(const Problem& p, const ConvSizes& g, Order by) {
  const auto k = g.h.kernel * g.w.kernel * g.icg;
  const auto order = by == Order::by_tap ? summing_order(g) : strided_offsets(k, 1);
  group_floats_ = packed_b_floats(k, g.ocg, p.isa);
  packed_ =
      p.packed(kConvWeights,
               fmt::format("conv {} {} groups{}", to_string(p.isa), g.group, by == Order::by_tap ? "" : " by channel"),
               group_floats_ * static_cast<size_t>(g.group) * sizeof(float), [&](std::byte* packed) {
                 const std::byte* weights = p.src[kConvWeights].constant.data();
                 for (int64_t group = 0; group < g.group; ++group)
                   pack_b(weights + group * g.ocg * k * static_cast<int64_t>(sizeof(float)), order, g.ocg, k, p.isa,
                          reinterpret_cast<float*>(packed) + static_cast<size_t>(group) * group_floats_);
               });
  if (!p.input(kConvBias)) return;
  bias_stride_ = round_up<int64_t>(g.ocg, gemm_tile(p.isa).columns);
  bias_.resize(static_cast<size_t>(bias_stride_ * g.group), 0.0f);
  for (int64_t o = 0; o < g.oc; ++o)
    bias_[static_cast<size_t>(o / g.ocg * bias_stride_ + o % g.ocg)] = p.src[kConvBias].constant.at<float>(o);
}

}  // namespace tercel::inline kernels

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
  if (ConvSizes(p).padded() && !p.src[kConvWeights].constant.finite())
    return "weights that are infinite or NaN lie beside padding, which is read as zeros";
  return {};
}

ConvOperands::ConvOperands(const Problem& p, const ConvSizes& g, Order by) {
  const auto k = g.h.kernel * g.w.kernel * g.icg;
  const auto order = by == Order::by_tap ? summing_order(g) : strided_offsets(k, 1);
  b16_ = p.bf16 && by == Order::by_tap;
  group_bytes_ =
      b16_ ? packed_b16_bytes(g.depth(), g.taps(), g.ocg, p.isa) : packed_b_floats(k, g.ocg, p.isa) * sizeof(float);
  const std::string form = fmt::format("conv {} {} groups{}", to_string(p.isa), g.group,
                                       by == Order::by_channel ? " by channel"
                                       : b16_                  ? fmt::format(" bf16 {} taps", g.taps())
                                                               : "");
  packed_ = p.packed(kConvWeights, form, group_bytes_ * static_cast<size_t>(g.group), [&](std::byte* packed) {
    const std::byte* weights = p.src[kConvWeights].constant.data();
    for (int64_t group = 0; group < g.group; ++group) {
      const std::byte* from = weights + group * g.ocg * k * static_cast<int64_t>(sizeof(float));
      std::byte* to = packed + static_cast<size_t>(group) * group_bytes_;
      if (b16_) pack_b16(from, order, g.taps(), g.ocg, k, p.isa, reinterpret_cast<uint16_t*>(to));
      else pack_b(from, order, g.ocg, k, p.isa, reinterpret_cast<float*>(to));
    }
  });
  if (!p.input(kConvBias)) return;
  bias_stride_ = round_up<int64_t>(g.ocg, gemm_tile(p.isa).columns);
  bias_.resize(static_cast<size_t>(bias_stride_ * g.group), 0.0f);
  for (int64_t o = 0; o < g.oc; ++o)
    bias_[static_cast<size_t>(o / g.ocg * bias_stride_ + o % g.ocg)] = p.src[kConvBias].constant.at<float>(o);
}

}  // namespace tercel::inline kernels

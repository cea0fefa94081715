// Derivatives of binary memories, straight through the signs: sign(x) is taken for clip(x / r, -1, 1), r the root mean
// square of the row (Bengio et al. 2013, arXiv 1308.3432). Of each class the nearest pattern counts, whose score is the
// factor times its overlap; that networks settle is left out.
#include <cmath>
#include <limits>

#include "quant/gradient_rule.h"

namespace tercel::inline quant {
namespace {

/// The sign that unit i has in the pattern.
int sign_of(const std::byte* pattern, int64_t i) {
  return (std::to_integer<int>(pattern[i / 8]) >> (i % 8) & 1) * 2 - 1;
}

void memory(RuleContext& c, float factor) {
  const int64_t rows = c.dims(0)[0], bits = c.dims(0)[1], classes = c.result_dims()[1];
  const Tensor& patterns = c.node.inputs[1]->constant;
  const std::vector<int64_t> class_of = c.node.inputs[2]->constant.to_ints();
  const int64_t stride = patterns.dims()[1];
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = c.operands[0] + r * bits;
    double squares = 0;
    for (int64_t i = 0; i < bits; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const auto rms = static_cast<float>(std::sqrt(squares / static_cast<double>(bits)));
    if (!(rms > 0)) continue;
    std::vector<int64_t> nearest(static_cast<size_t>(classes), -1), most(nearest.size());
    for (size_t k = 0; k < class_of.size(); ++k) {
      int64_t overlap = 0;
      const std::byte* pattern = patterns.data() + static_cast<int64_t>(k) * stride;
      for (int64_t i = 0; i < bits; ++i) overlap += (x[i] > 0 ? 1 : -1) * sign_of(pattern, i);
      const auto at = static_cast<size_t>(class_of[k]);
      if (nearest.at(at) >= 0 && overlap <= most[at]) continue;
      nearest[at] = static_cast<int64_t>(k);
      most[at] = overlap;
    }
    float* into = c.into[0] + r * bits;
    for (int64_t y = 0; y < classes; ++y) {
      if (nearest[static_cast<size_t>(y)] < 0) continue;
      const std::byte* pattern = patterns.data() + nearest[static_cast<size_t>(y)] * stride;
      const float slope = factor * c.gradients[0][r * classes + y] / rms;
      for (int64_t i = 0; i < bits; ++i)
        if (std::fabs(x[i]) <= rms) into[i] += slope * static_cast<float>(sign_of(pattern, i));
    }
  }
}

}  // namespace

std::span<const GradientRule> memory_gradient_rules() {
  static constexpr GradientRule kRules[] = {
      {"ai.tercel.SoftmaxMemory", 1, kOwn, [](RuleContext& c) { memory(c, c.node.attrs.get_float("beta")); }},
      {"ai.tercel.HopfieldMemory", 1, kOwn, [](RuleContext& c) { memory(c, c.node.attrs.get_float("scale")); }},
  };
  return kRules;
}

}  // namespace tercel::inline quant

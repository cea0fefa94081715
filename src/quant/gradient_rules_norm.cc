// Derivatives of normalizations, softmax and sums along axes.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/threads.h"
#include "kernels/ref/axes.h"
#include "quant/gradient_rule.h"

namespace tercel::inline quant {
namespace {

/// y = softmax(x): dx = y (dy - sum(dy y)). y = log softmax(x): dx = dy - softmax(x) sum(dy).
template <bool logarithm>
void softmax(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const AxisSplit split(c.dims(0), c.node.attrs.get_int("axis"));
  const float *y = c.results[0], *gradient = c.gradients[0];
  float* into = c.into[0];
  const int64_t lines = split.outer * split.inner;
  parallel_for(lines, std::max<int64_t>(1, 16384 / std::max<int64_t>(split.extent, 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t line = begin; line < end; ++line) {
                   const int64_t first = line / split.inner * split.extent * split.inner + line % split.inner;
                   float sum = 0;
                   for (int64_t j = 0; j < split.extent; ++j) {
                     const int64_t i = first + j * split.inner;
                     sum += logarithm ? gradient[i] : gradient[i] * y[i];
                   }
                   for (int64_t j = 0; j < split.extent; ++j) {
                     const int64_t i = first + j * split.inner;
                     into[i] += logarithm ? gradient[i] - std::exp(y[i]) * sum : y[i] * (gradient[i] - sum);
                   }
                 }
               });
}

/// y = scale * u + bias with u = (x - mean) / deviation over `size` elements:
/// dx = (s - mean(s) - u mean(s u)) / deviation with s = scale * dy (Ba, Kiros, Hinton 2016, differentiated).
template <typename Scale>
void add_normalized(const float* x, const float* gradient, int64_t size, double epsilon, Scale&& scale, float* into) {
  const auto n = static_cast<double>(size);
  double mean = 0, variance = 0;
  for (int64_t i = 0; i < size; ++i) mean += static_cast<double>(x[i]);
  mean /= n;
  for (int64_t i = 0; i < size; ++i) {
    const double off = static_cast<double>(x[i]) - mean;
    variance += off * off;
  }
  const double factor = 1 / std::sqrt(variance / n + epsilon);
  double mean_s = 0, mean_su = 0;
  for (int64_t i = 0; i < size; ++i) {
    const double s = static_cast<double>(gradient[i] * scale(i));
    mean_s += s;
    mean_su += s * (static_cast<double>(x[i]) - mean) * factor;
  }
  mean_s /= n;
  mean_su /= n;
  for (int64_t i = 0; i < size; ++i) {
    const double s = static_cast<double>(gradient[i] * scale(i));
    const double u = (static_cast<double>(x[i]) - mean) * factor;
    into[i] += static_cast<float>((s - mean_s - u * mean_su) * factor);
  }
}

double epsilon_of(const RuleContext& c) { return static_cast<double>(c.node.attrs.get_float("epsilon")); }

void layer_norm(RuleContext& c) {
  if (c.into[0] == nullptr || c.gradients[0] == nullptr) return;
  const Dims& dims = c.dims(0);
  const auto axis =
      static_cast<size_t>(normalize_axis(c.node.attrs.get_int("axis"), static_cast<int64_t>(dims.size())));
  const std::span<const int64_t> normalized = std::span(dims).subspan(axis);
  const int64_t size = count_elements(normalized);
  const int64_t slices = count_elements(std::span(dims).first(axis));
  std::vector<float> scale(static_cast<size_t>(size));
  walk(normalized, std::array{broadcast_strides(c.dims(1), normalized)},
       [&](int64_t i, const auto& at) { scale[static_cast<size_t>(i)] = c.operands[1][at[0]]; });
  parallel_for(slices, std::max<int64_t>(1, 4096 / std::max<int64_t>(size, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s)
      add_normalized(
          c.operands[0] + s * size, c.gradients[0] + s * size, size, epsilon_of(c),
          [&](int64_t i) { return scale[static_cast<size_t>(i)]; }, c.into[0] + s * size);
  });
}

void group_norm_of(RuleContext& c, int64_t groups) {
  if (c.into[0] == nullptr || c.count(0) == 0) return;
  const AxisSplit channels(c.dims(0), 1);
  const int64_t run = channels.extent / groups * channels.inner;
  parallel_for(channels.outer * groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g)
      add_normalized(
          c.operands[0] + g * run, c.gradients[0] + g * run, run, epsilon_of(c),
          [&](int64_t i) { return c.operands[1][(g * run + i) / channels.inner % channels.extent]; },
          c.into[0] + g * run);
  });
}

void instance_norm(RuleContext& c) { group_norm_of(c, std::max<int64_t>(c.dims(0)[1], 1)); }
void group_norm(RuleContext& c) { group_norm_of(c, c.node.attrs.get_int("num_groups")); }

void batch_norm(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const AxisSplit channels(c.dims(0), 1);
  for (int64_t plane = 0; plane < channels.outer * channels.extent; ++plane) {
    const int64_t channel = plane % channels.extent;
    const auto factor = static_cast<float>(static_cast<double>(c.operands[1][channel]) /
                                           std::sqrt(static_cast<double>(c.operands[4][channel]) + epsilon_of(c)));
    const float* from = c.gradients[0] + plane * channels.inner;
    float* to = c.into[0] + plane * channels.inner;
    for (int64_t i = 0; i < channels.inner; ++i) to[i] += factor * from[i];
  }
}

/// Every element of a slice gets the gradient of its sum or mean.
template <bool mean>
void reduce(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  Dims axes;
  if (c.node.input(1) != nullptr) axes = c.node.input(1)->constant.to_ints();
  if (axes.empty() && !c.node.attrs.get_bool("noop_with_empty_axes")) {
    axes.resize(c.dims(0).size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  const SliceAxes slices(c.dims(0), axes);
  const float factor = mean ? 1.0f / static_cast<float>(std::max<int64_t>(slices.slice_size(), 1)) : 1.0f;
  slices.for_each_slice([&](int64_t slice, int64_t first) {
    const float gradient = c.gradients[0][slice] * factor;
    slices.for_each_element(first, [&](int64_t i) { c.into[0][i] += gradient; });
  });
}

}  // namespace

std::span<const GradientRule> norm_gradient_rules() {
  static constexpr GradientRule kRules[] = {
      {"Softmax", 1, kResult, softmax<false>},     {"LogSoftmax", 1, kResult, softmax<true>},
      {"LayerNormalization", 1, kOwn, layer_norm}, {"InstanceNormalization", 1, kOwn, instance_norm},
      {"GroupNormalization", 1, kOwn, group_norm}, {"BatchNormalization", 1, kNothing, batch_norm},
      {"ReduceSum", 1, kNothing, reduce<false>},   {"ReduceMean", 1, kNothing, reduce<true>},
  };
  return kRules;
}

}  // namespace tercel::inline quant

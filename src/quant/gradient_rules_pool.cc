// Derivatives of pools.
#include <algorithm>

#include "base/threads.h"
#include "quant/gradient_rule.h"
#include "tensor/window.h"

namespace tercel::inline quant {
namespace {

using Windows = std::array<Window, 3>;

Windows windows_of(const RuleContext& c) {
  return as_3d(conv_windows(c.node.attrs, std::span(c.dims(0)).subspan(2), c.node.attrs.get_ints("kernel_shape")));
}

/// f(input plane, its gradient, output position d h w, its index) for every output of every plane.
template <typename F>
void for_each_output(RuleContext& c, const Windows& axes, F&& f) {
  const auto inputs = axes[0].input * axes[1].input * axes[2].input;
  const auto outputs = axes[0].output * axes[1].output * axes[2].output;
  parallel_for(c.dims(0)[0] * c.dims(0)[1], 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane)
      for (int64_t i = 0; i < outputs; ++i) {
        const std::array at{i / (axes[1].output * axes[2].output), i / axes[2].output % axes[1].output,
                            i % axes[2].output};
        f(plane * inputs, at, plane * outputs + i);
      }
  });
}

/// step(index within the plane) for every tap that reads it, in row-major order.
template <typename Step>
void for_each_tap(const Windows& axes, const std::array<int64_t, 3>& at, Step&& step) {
  const auto index = [&](size_t axis, int64_t tap) { return axes[axis].start(at[axis]) + tap * axes[axis].dilation; };
  const Range d = axes[0].taps(at[0]), h = axes[1].taps(at[1]), w = axes[2].taps(at[2]);
  for (int64_t kd = d.begin; kd < d.end; ++kd)
    for (int64_t kh = h.begin; kh < h.end; ++kh)
      for (int64_t kw = w.begin; kw < w.end; ++kw)
        step((index(0, kd) * axes[1].input + index(1, kh)) * axes[2].input + index(2, kw));
}

/// Taps that an average divides by: those on the input, or also those on its padding (in ceil mode a window may reach
/// past that).
float divisor(const Windows& axes, const std::array<int64_t, 3>& at, bool with_padding) {
  float count = 1;
  for (size_t axis = 0; axis < 3; ++axis) {
    const Window& w = axes[axis];
    const int64_t start = w.start(at[axis]);
    const Range taps =
        with_padding ? steps_within(start, w.dilation, start, w.input + w.pad_end, w.kernel) : w.taps(at[axis]);
    count *= static_cast<float>(taps.size());
  }
  return count;
}

void average_pool(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const Windows axes = windows_of(c);
  const bool with_padding = c.node.attrs.get_bool("count_include_pad");
  for_each_output(c, axes, [&](int64_t plane, const auto& at, int64_t output) {
    const float count = divisor(axes, at, with_padding);
    if (count == 0) return;
    const float share = c.gradients[0][output] / count;
    for_each_tap(axes, at, [&](int64_t i) { c.into[0][plane + i] += share; });
  });
}

void global_average_pool(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const int64_t planes = c.dims(0)[0] * c.dims(0)[1];
  const int64_t size = count_elements(std::span(c.dims(0)).subspan(2));
  for (int64_t plane = 0; plane < planes; ++plane) {
    const float share = c.gradients[0][plane] / static_cast<float>(size);
    for (int64_t i = 0; i < size; ++i) c.into[0][plane * size + i] += share;
  }
}

/// The first of the largest gets all.
void max_pool(RuleContext& c) {
  if (c.into[0] == nullptr || c.gradients[0] == nullptr) return;
  const Windows axes = windows_of(c);
  for_each_output(c, axes, [&](int64_t plane, const auto& at, int64_t output) {
    const float* x = c.operands[0] + plane;
    int64_t best = -1;
    for_each_tap(axes, at, [&](int64_t i) {
      if (best < 0 || x[i] > x[best]) best = i;
    });
    if (best >= 0) c.into[0][plane + best] += c.gradients[0][output];
  });
}

void global_max_pool(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const int64_t planes = c.dims(0)[0] * c.dims(0)[1];
  const int64_t size = count_elements(std::span(c.dims(0)).subspan(2));
  if (size == 0) return;
  for (int64_t plane = 0; plane < planes; ++plane) {
    const float* x = c.operands[0] + plane * size;
    c.into[0][plane * size + (std::max_element(x, x + size) - x)] += c.gradients[0][plane];
  }
}

}  // namespace

std::span<const GradientRule> pool_gradient_rules() {
  static constexpr GradientRule kRules[] = {
      {"AveragePool", 1, kNothing, average_pool},
      {"GlobalAveragePool", 1, kNothing, global_average_pool},
      {"MaxPool", 1, kOwn, max_pool},
      {"GlobalMaxPool", 1, kOwn, global_max_pool},
  };
  return kRules;
}

}  // namespace tercel::inline quant

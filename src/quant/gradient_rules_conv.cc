// The derivative of a convolution with respect to its input.
#include <algorithm>

#include "base/threads.h"
#include "quant/gradient_product.h"
#include "quant/gradient_rule.h"
#include "tensor/window.h"

namespace tercel::inline quant {
namespace {

/// Floats of the unfolded gradient that are held at a time: about a last-level cache.
constexpr int64_t kBandFloats = int64_t{1} << 20;
/// Output channels per group below which products are not worth their packing.
constexpr int64_t kFewChannels = 8;

struct Shape {
  std::array<Window, 3> axes;
  int64_t batch, groups, ic, oc;  // ic, oc: of one group
  int64_t kernel() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  int64_t in_plane() const { return axes[0].input * axes[1].input * axes[2].input; }
  int64_t out_plane() const { return axes[0].output * axes[1].output * axes[2].output; }
  int64_t out_rows() const { return axes[0].output * axes[1].output; }
};

/// f(input row, begin of taps' output columns, end, first input column) for output row `row` and tap (kd, kh, kw); not
/// called where the tap reads padding.
template <typename F>
void for_row(const Shape& s, int64_t row, int64_t kd, int64_t kh, int64_t kw, F&& f) {
  const auto& [d, h, w] = s.axes;
  const int64_t z = d.start(row / h.output) + kd * d.dilation, y = h.start(row % h.output) + kh * h.dilation;
  if (z < 0 || z >= d.input || y < 0 || y >= h.input) return;
  const Range columns = w.outputs_reading(kw);
  if (columns.size() > 0)
    f((z * h.input + y) * w.input, columns.begin, columns.end, w.start(columns.begin) + kw * w.dilation);
}

/// to[first + i * stride] += factor * from[i]
void add_strided(float* to, int64_t stride, const float* from, int64_t count, float factor) {
  if (stride == 1)
    for (int64_t i = 0; i < count; ++i) to[i] += factor * from[i];
  else
    for (int64_t i = 0; i < count; ++i) to[i * stride] += factor * from[i];
}

template <typename F>
void for_each_tap(const Shape& s, F&& f) {
  int64_t tap = 0;
  for (int64_t kd = 0; kd < s.axes[0].kernel; ++kd)
    for (int64_t kh = 0; kh < s.axes[1].kernel; ++kh)
      for (int64_t kw = 0; kw < s.axes[2].kernel; ++kw) f(tap++, kd, kh, kw);
}

/// Every weight adds a scaled plane: for depthwise and other narrow convolutions.
void add_planes(const Shape& s, const float* weights, const float* gradient, float* into) {
  parallel_for(s.batch * s.groups * s.ic, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {  // of the input
      const int64_t channel = plane % s.ic, group = plane / s.ic % s.groups;
      float* to = into + plane * s.in_plane();
      for (int64_t o = 0; o < s.oc; ++o) {
        const float* from = gradient + (plane / s.ic * s.oc + o) * s.out_plane();
        const float* kernel = weights + ((group * s.oc + o) * s.ic + channel) * s.kernel();
        for_each_tap(s, [&](int64_t tap, int64_t kd, int64_t kh, int64_t kw) {
          for (int64_t row = 0; row < s.out_rows(); ++row)
            for_row(s, row, kd, kh, kw, [&](int64_t in_row, int64_t first, int64_t last, int64_t x) {
              add_strided(to + in_row + x, s.axes[2].stride, from + row * s.axes[2].output + first, last - first,
                          kernel[tap]);
            });
        });
      }
    }
  });
}

/// unfolded[c * kernel + tap][position] for output rows [begin, end) goes to the inputs that it stands for.
void fold(const Shape& s, const float* unfolded, int64_t begin, int64_t end, float* into) {
  const int64_t width = s.axes[2].output, positions = (end - begin) * width;
  parallel_for(s.ic, 1, [&](int64_t first_channel, int64_t last_channel) {
    for (int64_t channel = first_channel; channel < last_channel; ++channel)
      for_each_tap(s, [&](int64_t tap, int64_t kd, int64_t kh, int64_t kw) {
        const float* from = unfolded + (channel * s.kernel() + tap) * positions;
        for (int64_t row = begin; row < end; ++row)
          for_row(s, row, kd, kh, kw, [&](int64_t in_row, int64_t first, int64_t last, int64_t x) {
            add_strided(into + channel * s.in_plane() + in_row + x, s.axes[2].stride,
                        from + (row - begin) * width + first, last - first, 1.0f);
          });
      });
  });
}

/// unfolded = W' dy, band by band, folded back.
void add_products(RuleContext& c, const Shape& s) {
  const int64_t rows = s.ic * s.kernel(), per_group = s.oc * rows;
  std::vector<float>& transposed = c.cache.transposed;  // of each group: rows x oc
  if (transposed.empty()) {
    transposed.resize(static_cast<size_t>(s.groups * per_group));
    for (int64_t g = 0; g < s.groups; ++g)
      for (int64_t o = 0; o < s.oc; ++o)
        for (int64_t r = 0; r < rows; ++r)
          transposed[static_cast<size_t>(g * per_group + r * s.oc + o)] = c.operands[1][(g * s.oc + o) * rows + r];
  }
  const int64_t width = s.axes[2].output;
  const bool pointwise = s.kernel() == 1 && s.in_plane() == s.out_plane() && s.axes[0].pad_begin == 0 &&
                         s.axes[1].pad_begin == 0 && s.axes[2].pad_begin == 0 && s.axes[0].stride == 1 &&
                         s.axes[1].stride == 1 && s.axes[2].stride == 1;
  const int64_t band = std::clamp<int64_t>(kBandFloats / std::max<int64_t>(rows * width, 1), 1, s.out_rows());
  for (int64_t image = 0; image < s.batch * s.groups; ++image) {
    const Strided kernel{transposed.data() + image % s.groups * per_group, s.oc};
    const float* gradient = c.gradients[0] + image * s.oc * s.out_plane();
    float* into = c.into[0] + image * s.ic * s.in_plane();
    for (int64_t begin = 0; begin < s.out_rows(); begin += band) {
      const int64_t end = std::min(begin + band, s.out_rows()), positions = (end - begin) * width;
      const Strided from{gradient + begin * width, s.out_plane()};
      if (pointwise) {
        multiply({rows, positions, s.oc, kernel, from, into + begin * width, s.in_plane()}, c.isa, c.workspace);
        continue;
      }
      float* unfolded = c.workspace.floats(2, rows * positions);
      multiply({rows, positions, s.oc, kernel, from, unfolded, positions, 1, false}, c.isa, c.workspace);
      fold(s, unfolded, begin, end, into);
    }
  }
}

}  // namespace

void differentiate_conv(RuleContext& c) {
  if (c.into[0] == nullptr) return;
  const Dims& x = c.dims(0);
  const Dims& w = c.dims(1);
  Shape s;
  s.axes = as_3d(conv_windows(c.node.attrs, std::span(x).subspan(2), std::span(w).subspan(2)));
  s.groups = c.node.attrs.get_int("group");
  s.batch = x[0];
  s.ic = w[1];
  s.oc = w[0] / std::max<int64_t>(s.groups, 1);
  if (count_elements(c.result_dims()) == 0 || c.count(0) == 0) return;
  if (s.oc < kFewChannels) add_planes(s, c.operands[1], c.gradients[0], c.into[0]);
  else add_products(c, s);
}

}  // namespace tercel::inline quant

// The loop nest of convolution, for every element type that convolves.
#pragma once

#include <algorithm>

#include "base/threads.h"
#include "tensor/view.h"
#include "tensor/window.h"

namespace tercel::inline kernels {

inline bool is_pointwise(const Window& w) {
  return w.kernel == 1 && w.stride == 1 && w.pad_begin == 0 && w.pad_end == 0;
}

/// Sizes of a convolution: x is n c d h w, weights are oc c/group kd kh kw, the result is n oc od oh ow.
struct ConvGeometry {
  int64_t n, c, oc, group;
  std::array<Window, 3> axes;  // d h w

  ConvGeometry(const Attrs& attrs, const View& x, const View& w)
      : n(x.dims[0]), c(x.dims[1]), oc(w.dims[0]), group(attrs.get_int("group")) {
    axes = as_3d(conv_windows(attrs, std::span(x.dims).subspan(2), std::span(w.dims).subspan(2)));
    // Rows that a 1x1 window does not mix are one long row: small pictures would give short inner loops.
    if (is_pointwise(axes[1]) && is_pointwise(axes[2])) {
      axes[2].input = axes[2].output = axes[1].input * axes[2].input;
      axes[1] = Window{};
    }
  }
  int64_t plane() const { return axes[0].output * axes[1].output * axes[2].output; }
};

/// A zero point: one for all, or one per output channel; 0 where it is left out.
template <typename T>
struct ZeroPoint {
  const T* values = nullptr;
  int64_t step = 0;
  explicit ZeroPoint(const View& view) {
    if (!view) return;
    values = view.as<T>();
    step = view.elements() > 1 ? 1 : 0;
  }
  int64_t operator()(int64_t i) const { return values == nullptr ? 0 : int64_t{values[i * step]}; }
};

/// Results are summed in pieces of a row that fit the stack: nothing is allocated inside a parallel loop, where an
/// exception would end the process.
inline constexpr int64_t kRowPiece = 512;

/// For every piece of a result row, in any order and from several threads:
/// finish(first element of the result, output channel, sums, count) with sums = sum of (w - w_zero[oc]) * (x - x_zero).
/// Padding adds nothing: it stands for x_zero.
template <typename Acc, typename X, typename W, typename WZero, typename Finish>
void convolve(const ConvGeometry& g, const X* x, Acc x_zero, const W* weights, WZero&& w_zero, Finish&& finish) {
  const auto& [d, h, w] = g.axes;
  if (g.plane() == 0) return;
  const int64_t ic = g.c / g.group;
  std::vector<Range> reading;  // per tap along w
  for (int64_t k = 0; k < w.kernel; ++k) reading.push_back(w.outputs_reading(k));
  parallel_for(g.n * g.oc, 1, [&, &axis_d = d, &axis_h = h, &axis_w = w](int64_t begin, int64_t end) {
    Acc sums[kRowPiece];
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t o = plane % g.oc;
      const Acc zero = w_zero(o);
      const int64_t first_channel = plane / g.oc * g.c + o / (g.oc / g.group) * ic;
      for (int64_t row = 0; row < axis_d.output * axis_h.output; ++row) {
        const int64_t od = row / axis_h.output;
        const int64_t oh = row % axis_h.output;
        const Range taps_d = axis_d.taps(od);
        const Range taps_h = axis_h.taps(oh);
        for (int64_t piece = 0; piece < axis_w.output; piece += kRowPiece) {
          const int64_t piece_end = std::min(piece + kRowPiece, axis_w.output);
          std::fill_n(sums, piece_end - piece, Acc{});
          for (int64_t i = 0; i < ic; ++i)
            for (int64_t kd = taps_d.begin; kd < taps_d.end; ++kd)
              for (int64_t kh = taps_h.begin; kh < taps_h.end; ++kh) {
                const int64_t z = axis_d.start(od) + kd * axis_d.dilation;
                const int64_t y = axis_h.start(oh) + kh * axis_h.dilation;
                const X* src = x + (((first_channel + i) * axis_d.input + z) * axis_h.input + y) * axis_w.input;
                const W* taps = weights + (((o * ic + i) * axis_d.kernel + kd) * axis_h.kernel + kh) * axis_w.kernel;
                for (int64_t kw = 0; kw < axis_w.kernel; ++kw) {
                  const Acc factor = static_cast<Acc>(taps[kw]) - zero;
                  const Range& range = reading[static_cast<size_t>(kw)];
                  const int64_t last = std::min(range.end, piece_end);
                  for (int64_t ow = std::max(range.begin, piece); ow < last; ++ow)
                    sums[ow - piece] +=
                        factor * (static_cast<Acc>(src[axis_w.start(ow) + kw * axis_w.dilation]) - x_zero);
                }
              }
          finish((plane * axis_d.output * axis_h.output + row) * axis_w.output + piece, o, sums, piece_end - piece);
        }
      }
    }
  });
}

}  // namespace tercel::inline kernels

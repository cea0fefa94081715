// A convolution as a product on rows found by address: its sizes, and where its rows are, for elements of any type.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/bits.h"
#include "base/threads.h"
#include "kernels/kernel.h"
#include "tensor/window.h"

namespace tercel::inline kernels {

/// Below this many channels a group one kernel position is too short a sum: whole kernel rows are summed at once, over
/// a copy of the source with its padding written out.
inline constexpr int64_t kFewChannels = 16;

struct ConvSizes {
  int64_t n, c, oc, group, icg, ocg;
  Window h, w;
  bool pointwise;  ///< the rows of the product are the pixels themselves
  bool merged;     ///< a kernel row of pixels is one tap

  /// `merges`: kernel rows may be merged, where that helps.
  explicit ConvSizes(const Problem& p, bool merges = true) {
    const Dims& x = p.src[0].dims;
    const Dims& weights = p.src[1].dims;
    n = x[0];
    c = x[1];
    oc = weights[0];
    group = p.attrs->get_int("group");
    icg = c / group;
    ocg = oc / group;
    const auto windows = conv_windows(*p.attrs, std::span(x).subspan(2), std::span(weights).subspan(2));
    h = windows[0];
    w = windows[1];
    pointwise = h.kernel == 1 && w.kernel == 1 && h.stride == 1 && w.stride == 1 && !padded();
    merged = merges && !pointwise && group == 1 && w.dilation == 1 && icg < kFewChannels && copy_is_small();
  }
  bool padded() const { return h.pad_begin != 0 || h.pad_end != 0 || w.pad_begin != 0 || w.pad_end != 0; }
  int64_t padded_height() const { return h.input + h.pad_begin + h.pad_end; }
  int64_t padded_width() const { return w.input + w.pad_begin + w.pad_end; }
  /// Pads come from strangers: with a stride as absurd they give a small result, but no copy that fits memory.
  bool copy_is_small() const {
    const auto area = checked_mul(padded_height(), padded_width());
    return !padded() || (area && *area <= 16 * h.input * w.input + 4096);
  }
  /// Of the copy with the padding written out; 0 where none is made.
  int64_t padded_elements() const { return merged && padded() ? n * padded_height() * padded_width() * c : 0; }
  int64_t taps() const { return merged ? h.kernel : h.kernel * w.kernel; }
  int64_t depth() const { return merged ? w.kernel * icg : icg; }
};

/// What the row finder needs to know, for one run.
template <typename T>
struct ConvRows {
  const ConvSizes* g;
  const T* src;   // first channel of the group
  const T* zero;  // icg elements: what padding reads
  int64_t height, width;
  int64_t pad_h, pad_w;
  int64_t source_first = 0;  // the row that src is
  int64_t first_pixel = 0;   // of the result, where the product begins

  /// Says to a product where its rows are; *this must outlive it.
  template <typename Job>
  void give_to(Job& job) const;
};

template <typename T>
void find_conv_rows(const void* context, int64_t first, int count, int stride, const T** out) {
  const auto& r = *static_cast<const ConvRows<T>*>(context);
  const ConvSizes& g = *r.g;
  first += r.first_pixel;
  int64_t ow = first % g.w.output, oh = first / g.w.output % g.h.output, n = first / (g.w.output * g.h.output);
  const int64_t step = g.w.stride * g.c;
  const int64_t taps_w = g.merged ? 1 : g.w.kernel;
  // One row of the result after the other, tap by tap: neighbours are a step apart.
  for (int i = 0; i < count;) {
    const int run = static_cast<int>(std::min<int64_t>(count - i, g.w.output - ow));
    for (int64_t kh = 0; kh < g.h.kernel; ++kh) {
      const int64_t ih = oh * g.h.stride - r.pad_h + kh * g.h.dilation;
      const bool row_inside = ih >= 0 && ih < r.height;
      const T* row = r.src + (n * r.height + ih - r.source_first) * r.width * g.c;
      for (int64_t kw = 0; kw < taps_w; ++kw) {
        int64_t iw = ow * g.w.stride - r.pad_w + kw * g.w.dilation;
        const T** to = out + (kh * taps_w + kw) * stride + i;
        const T* at = row + iw * g.c;
        for (int j = 0; j < run; ++j, at += step, iw += g.w.stride)
          to[j] = g.merged || (row_inside && iw >= 0 && iw < r.width) ? at : r.zero;
      }
    }
    i += run;
    ow += run;
    if (ow == g.w.output) {
      ow = 0;
      if (++oh == g.h.output) oh = 0, ++n;
    }
  }
}

template <typename T>
template <typename Job>
void ConvRows<T>::give_to(Job& job) const {
  if (g->pointwise) {
    job.a = src + (first_pixel - source_first * g->w.output) * g->c;
  } else {
    job.find_rows = find_conv_rows<T>;
    job.context = this;
  }
}

/// A copy of `src` with its padding written out, every element of it `*zero`.
template <typename T>
void write_padded(const ConvSizes& g, const T* src, const T* zero, T* copy) {
  const int64_t height = g.padded_height(), row = g.padded_width() * g.c, inner = g.w.input * g.c;
  const int64_t left = g.w.pad_begin * g.c;
  parallel_for(g.n * height, std::max<int64_t>(1, 16384 / (row + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* to = copy + i * row;
      const int64_t ih = i % height - g.h.pad_begin;
      if (ih < 0 || ih >= g.h.input) {
        std::fill(to, to + row, *zero);
        continue;
      }
      std::fill(to, to + left, *zero);
      std::copy_n(src + (i / height * g.h.input + ih) * inner, inner, to + left);
      std::fill(to + left + inner, to + row, *zero);
    }
  });
}

/// The rows of one run; `scratch` holds g.padded_elements().
template <typename T>
ConvRows<T> conv_rows(const ConvSizes& g, const T* src, const T* zero, T* scratch) {
  if (g.padded_elements() == 0) return {&g, src, zero, g.h.input, g.w.input, g.h.pad_begin, g.w.pad_begin};
  write_padded(g, src, zero, scratch);
  return {&g, scratch, nullptr, g.padded_height(), g.padded_width(), 0, 0};
}

/// Offsets in o i kh kw weights, in the order in which the product sums: tap by tap, channels innermost.
inline std::vector<int64_t> summing_order(const ConvSizes& g) {
  const int64_t area = g.h.kernel * g.w.kernel;
  std::vector<int64_t> offsets;
  for (int64_t tap = 0; tap < area; ++tap)
    for (int64_t c = 0; c < g.icg; ++c) offsets.push_back(c * area + tap);
  return offsets;
}

}  // namespace tercel::inline kernels

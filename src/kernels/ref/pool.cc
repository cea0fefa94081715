#include "kernels/ref/pool.h"

#include <algorithm>

#include "base/bits.h"
#include "base/threads.h"
#include "kernels/levels.h"
#include "kernels/ref/levels.h"
#include "kernels/ref/number.h"
#include "tensor/window.h"

namespace tercel::inline kernels {
namespace {

std::array<Window, 3> windows_of(const Attrs& attrs, const View& x) {
  return as_3d(conv_windows(attrs, std::span(x.dims).subspan(2), attrs.get_ints("kernel_shape")));
}

/// One window per channel, over all of it.
std::array<Window, 3> global_windows(const View& x) {
  const int64_t plane = count_elements(std::span(x.dims).subspan(2));
  std::array<Window, 3> axes;
  axes[2] = {.kernel = plane, .input = plane, .output = 1};
  return axes;
}

/// Taps of one window that read the plane, along each axis.
struct Taps {
  Range ranges[3];
  int64_t count() const { return ranges[0].size() * ranges[1].size() * ranges[2].size(); }
};

/// reduce(plane of x, taps, output d h w) gives each output; planes are n times c.
template <typename T, typename Reduce>
void pool(const View& x, const std::array<Window, 3>& axes, T* out, Reduce&& reduce) {
  const auto& [d, h, w] = axes;
  const int64_t in_plane = d.input * h.input * w.input;
  const int64_t out_plane = d.output * h.output * w.output;
  if (out_plane == 0) return;
  const T* data = x.as<T>();
  parallel_for(x.dims[0] * x.dims[1], 1, [&, &axis_d = d, &axis_h = h, &axis_w = w](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane)
      for (int64_t i = 0; i < out_plane; ++i) {
        const int64_t at[3] = {i / (axis_h.output * axis_w.output), i / axis_w.output % axis_h.output,
                               i % axis_w.output};
        const Taps taps = {{axis_d.taps(at[0]), axis_h.taps(at[1]), axis_w.taps(at[2])}};
        out[plane * out_plane + i] = reduce(data + plane * in_plane, taps, at, plane * out_plane + i);
      }
  });
}

/// step(flat index within the plane) for every tap that reads it, in row-major order.
template <typename Step>
void for_each_tap(const std::array<Window, 3>& axes, const Taps& taps, const int64_t (&at)[3], Step&& step) {
  const auto& [d, h, w] = axes;
  for (int64_t kd = taps.ranges[0].begin; kd < taps.ranges[0].end; ++kd)
    for (int64_t kh = taps.ranges[1].begin; kh < taps.ranges[1].end; ++kh) {
      const int64_t row = (d.start(at[0]) + kd * d.dilation) * h.input + h.start(at[1]) + kh * h.dilation;
      for (int64_t kw = taps.ranges[2].begin; kw < taps.ranges[2].end; ++kw)
        step(row * w.input + w.start(at[2]) + kw * w.dilation);
    }
}

/// Taps that count in an average which includes padding: those before the end of the padding. In ceil mode a window may
/// reach past it. A double, because three kernel extents can have a product that no integer holds.
double padded_taps(const Window& window, int64_t o) {
  const int64_t end = window.input + window.pad_end;
  return static_cast<double>(
      steps_within(window.start(o), window.dilation, window.start(o), end, window.kernel).size());
}

/// Elements that an average divides by.
double averaged(const std::array<Window, 3>& axes, const Taps& taps, const int64_t (&at)[3], bool with_padding) {
  if (!with_padding) return static_cast<double>(taps.count());
  return padded_taps(axes[0], at[0]) * padded_taps(axes[1], at[1]) * padded_taps(axes[2], at[2]);
}

void average(const View& x, const std::array<Window, 3>& axes, bool with_padding, const View& dst) {
  visit_float(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    pool(x, axes, dst.as<T>(), [&](const T* plane, const Taps& taps, const int64_t(&at)[3], int64_t) {
      double sum = 0;
      for_each_tap(axes, taps, at, [&](int64_t i) { sum += to_double(plane[i]); });
      const double count = averaged(axes, taps, at, with_padding);
      return convert<T>(count == 0 ? 0 : sum / count);
    });
  });
}

void lp(const View& x, const std::array<Window, 3>& axes, int64_t p, const View& dst) {
  visit_float(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto power = static_cast<double>(p);
    pool(x, axes, dst.as<T>(), [&](const T* plane, const Taps& taps, const int64_t(&at)[3], int64_t) {
      double sum = 0;
      for_each_tap(axes, taps, at, [&](int64_t i) { sum += std::pow(std::fabs(to_double(plane[i])), power); });
      return convert<T>(std::pow(sum, 1 / power));
    });
  });
}

/// Index of element i of a plane when the first spatial axis runs fastest.
int64_t first_axis_fastest(const std::array<Window, 3>& axes, int64_t i) {
  const auto& [d, h, w] = axes;
  const int64_t z = i / (h.input * w.input);
  const int64_t y = i / w.input % h.input;
  return z + (y + i % w.input * h.input) * d.input;
}

template <typename T>
bool is_nan(T x) {
  return x != x;
}

/// A window that reads nothing but padding gives the lowest value and index -1; a NaN wins.
void max(const View& x, const std::array<Window, 3>& axes, bool column_major, std::span<const View> dst) {
  const View indices_view = operand(dst, 1);
  int64_t* indices = indices_view ? indices_view.as<int64_t>() : nullptr;
  const int64_t in_plane = axes[0].input * axes[1].input * axes[2].input;
  const int64_t out_plane = axes[0].output * axes[1].output * axes[2].output;
  visit_number(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    pool(x, axes, dst[0].as<T>(), [&](const T* plane, const Taps& taps, const int64_t(&at)[3], int64_t result) {
      int64_t best = -1;
      for_each_tap(axes, taps, at, [&](int64_t i) {
        if (best < 0 || plane[i] > plane[best] || (is_nan(plane[i]) && !is_nan(plane[best]))) best = i;
      });
      if (indices != nullptr) {
        const int64_t within = column_major && best >= 0 ? first_axis_fastest(axes, best) : best;
        indices[result] = best < 0 ? -1 : result / out_plane * in_plane + within;
      }
      return best < 0 ? lowest_of<T>() : plane[best];
    });
  });
}

void average_pool(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (!is_float(src[0].dtype)) return average_of_levels(attrs, src, dst);
  average(src[0], windows_of(attrs, src[0]), attrs.get_bool("count_include_pad"), dst[0]);
}
void global_average_pool(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  if (!is_float(src[0].dtype)) return mean_of_levels(src, dst);
  average(src[0], global_windows(src[0]), false, dst[0]);
}
void lp_pool(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  lp(src[0], windows_of(attrs, src[0]), attrs.get_int("p"), dst[0]);
}
void global_lp_pool(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  lp(src[0], global_windows(src[0]), attrs.get_int("p"), dst[0]);
}
void max_pool(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  max(src[0], windows_of(attrs, src[0]), attrs.get_bool("storage_order"), dst);
}
void global_max_pool(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  max(src[0], global_windows(src[0]), false, dst);
}

/// Indices count over the shape that the attributes give; a larger output_shape only adds zeros around it.
void max_unpool(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const View& x = src[0];
  const int64_t* indices = src[1].as<int64_t>();
  Dims natural = {x.dims[0], x.dims[1]};
  for (const Window& window :
       conv_transpose_windows(attrs, std::span(x.dims).subspan(2), attrs.get_ints("kernel_shape")))
    natural.push_back(window.output);
  const int64_t elements = count_elements(natural);
  const Dims strides = row_major_strides(dst[0].dims);
  for (size_t axis = 0; axis < natural.size(); ++axis)
    if (dst[0].dims[axis] < natural[axis])
      fail_input("output_shape {} is smaller than {}", to_string(dst[0].dims), to_string(natural));
  visit_float(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* out = dst[0].as<T>();
    std::fill_n(out, dst[0].elements(), T{});
    for (int64_t i = 0; i < x.elements(); ++i) {
      int64_t rest = indices[i];
      if (rest < 0 || rest >= elements) fail_input("index {} is outside {}", rest, to_string(natural));
      int64_t place = 0;
      for (size_t axis = natural.size(); axis-- > 0; rest /= natural[axis])
        place += rest % natural[axis] * strides[axis];
      out[place] = x.as<T>()[i];
    }
  });
}

}  // namespace

/// Windows at an edge have fewer elements: they have a ratio of their own.
void average_of_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const Quantization &x = *src[0].quantization, &y = *dst[0].quantization;
  const auto axes = windows_of(attrs, src[0]);
  const bool with_padding = attrs.get_bool("count_include_pad");
  const LevelRange to = range_of(dst[0].dtype, y.zeros[0]);
  visit_byte(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    // Results go by their low byte, in either type.
    pool(src[0], axes, reinterpret_cast<T*>(dst[0].data),
         [&](const T* plane, const Taps& taps, const int64_t(&at)[3], int64_t) {
           int64_t sum = 0;
           for_each_tap(axes, taps, at, [&](int64_t i) { sum += plane[i] - x.zeros[0]; });
           const double count = averaged(axes, taps, at, with_padding);
           if (count == 0) return static_cast<T>(to.zero);
           return static_cast<T>(requantize(sum, mean_ratio(x, y, static_cast<int64_t>(count)), to));
         });
  });
}

std::vector<RefEntry> pool_refs() {
  return {{"AveragePool", average_pool},
          {"MaxPool", max_pool},
          {"LpPool", lp_pool},
          {"GlobalAveragePool", global_average_pool},
          {"GlobalMaxPool", global_max_pool},
          {"GlobalLpPool", global_lp_pool},
          {"MaxUnpool", max_unpool}};
}

}  // namespace tercel::inline kernels

// Resize: nearest by copying, linear and cubic as one weighted sum per axis after another.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/ref/axes.h"
#include "kernels/ref/convert.h"
#include "kernels/ref/copy.h"
#include "kernels/ref/cubic.h"
#include "kernels/ref/shape.h"
#include "tensor/resample.h"

namespace tercel::inline kernels {
namespace {

/// For every element of an axis of the result: which elements of the source it is the sum of, with which weights.
struct Taps {
  size_t per_output = 0;
  std::vector<int64_t> index;
  std::vector<double> weight;
};

/// Scales are floats, and 8 / 1.6f is a little less than the 5 that was meant: within that error of a half or whole
/// number a position is that number.
int64_t nearest(double position, std::string_view mode) {
  const double halves = std::nearbyint(2 * position);
  const bool meant = std::abs(2 * position - halves) <= (std::abs(position) + 1) * 0x1p-22;
  const double x = meant ? halves / 2 : position;
  if (mode == "floor") return static_cast<int64_t>(std::floor(x));
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(x));
  if (mode == "round_prefer_ceil") return static_cast<int64_t>(std::floor(x + 0.5));
  return static_cast<int64_t>(std::ceil(x - 0.5));
}

/// Positions far outside are as good as the first one outside; this keeps them within what int64 holds.
double source_within(const ResampleAxis& axis, int64_t o, std::string_view mode) {
  const double x = axis.source(o, mode);
  return std::isnan(x) ? 0 : std::clamp(x, -4.0, static_cast<double>(axis.in) + 3.0);
}

Taps make_taps(const ResampleAxis& axis, const Attrs& attrs) {
  const std::string& coordinates = attrs.get_string("coordinate_transformation_mode");
  const bool cubic = attrs.get_string("mode") == "cubic";
  const bool exclude_outside = attrs.get_bool("exclude_outside");
  const double a = attrs.get_float("cubic_coeff_a");
  // Antialiasing widens the kernel by the reduction, so that every element of the source counts.
  const double stretch = attrs.get_bool("antialias") ? std::min(axis.scale, 1.0) : 1.0;
  const auto reach = static_cast<int64_t>(std::ceil((cubic ? 2 : 1) / stretch));

  Taps taps;
  taps.per_output = static_cast<size_t>(2 * reach);
  for (int64_t o = 0; o < axis.out; ++o) {
    const double x = source_within(axis, o, coordinates);
    const auto first = static_cast<int64_t>(std::floor(x)) - reach + 1;
    double sum = 0;
    for (int64_t i = first; i < first + 2 * reach; ++i) {
      const double distance = std::abs(static_cast<double>(i) - x) * stretch;
      double weight = cubic ? cubic_weight(distance, a) : std::max(1 - distance, 0.0);
      if (exclude_outside && (i < 0 || i >= axis.in)) weight = 0;
      taps.index.push_back(std::clamp(i, int64_t{0}, axis.in - 1));
      taps.weight.push_back(weight);
      sum += weight;
    }
    if (sum == 0) continue;
    for (size_t k = taps.weight.size() - taps.per_output; k < taps.weight.size(); ++k) taps.weight[k] /= sum;
  }
  return taps;
}

bool is_identity(const ResampleAxis& axis, const Taps& taps) {
  if (axis.in != axis.out) return false;
  for (size_t k = 0; k < taps.index.size(); ++k) {
    const bool here = taps.index[k] == static_cast<int64_t>(k / taps.per_output);
    if (!here && taps.weight[k] != 0) return false;
  }
  return true;
}

/// One axis of `values` (shape `dims`) resampled; dims changes with it.
std::vector<double> resample(const std::vector<double>& values, Dims& dims, size_t axis, int64_t out,
                             const Taps& taps) {
  const auto [outer, in, inner] = AxisSplit(dims, static_cast<int64_t>(axis));
  dims[axis] = out;
  std::vector<double> result(static_cast<size_t>(count_elements(dims)), 0.0);
  for (int64_t u = 0; u < outer; ++u)
    for (int64_t o = 0; o < out; ++o) {
      double* to = result.data() + (u * out + o) * inner;
      for (size_t k = 0; k < taps.per_output; ++k) {
        const size_t tap = static_cast<size_t>(o) * taps.per_output + k;
        if (taps.weight[tap] == 0) continue;
        const double* from = values.data() + (u * in + taps.index[tap]) * inner;
        for (int64_t i = 0; i < inner; ++i) to[i] += taps.weight[tap] * from[i];
      }
    }
  return result;
}

/// Elements of dst that lie outside the source along any axis.
template <typename F>
void walk_outside(const std::vector<ResampleAxis>& axes, const Dims& dims, std::string_view mode, F&& f) {
  std::vector<std::vector<bool>> outside;
  for (const ResampleAxis& axis : axes) {
    std::vector<bool>& flags = outside.emplace_back();
    for (int64_t o = 0; o < axis.out; ++o) {
      const double x = axis.source(o, mode);
      flags.push_back(x < 0 || x > static_cast<double>(axis.in - 1));
    }
  }
  const int64_t count = count_elements(dims);
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i;
    bool out = false;
    for (size_t axis = dims.size(); axis-- > 0; rest /= dims[axis])
      out |= outside[axis][static_cast<size_t>(rest % dims[axis])];
    if (out) f(i);
  }
}

void resize_nearest(const std::vector<ResampleAxis>& axes, const Attrs& attrs, const View& src, const View& dst) {
  const std::string& coordinates = attrs.get_string("coordinate_transformation_mode");
  std::vector<std::vector<int64_t>> tables;
  for (const ResampleAxis& axis : axes) {
    std::vector<int64_t>& table = tables.emplace_back();
    for (int64_t o = 0; o < axis.out; ++o)
      table.push_back(std::clamp(nearest(source_within(axis, o, coordinates), attrs.get_string("nearest_mode")),
                                 int64_t{0}, axis.in - 1));
  }
  copy_by_tables(dst, src, tables, View{});
}

void resize_weighted(const std::vector<ResampleAxis>& axes, const Attrs& attrs, const View& src, const View& dst) {
  std::vector<double> values = read_doubles(src);
  Dims dims = src.dims;
  // Shrinking axes first: no intermediate is then larger than source or result.
  std::vector<size_t> order(axes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return static_cast<double>(axes[a].out) / static_cast<double>(axes[a].in) <
           static_cast<double>(axes[b].out) / static_cast<double>(axes[b].in);
  });
  for (size_t axis : order) {
    const Taps taps = make_taps(axes[axis], attrs);
    if (!is_identity(axes[axis], taps)) values = resample(values, dims, axis, axes[axis].out, taps);
  }
  visit_dtype(dst.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = dst.as<T>();
    for (size_t i = 0; i < values.size(); ++i) to[i] = convert<T>(values[i]);
  });
}

void resize(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  const std::string& coordinates = attrs.get_string("coordinate_transformation_mode");
  const ResampleOperands operands{read_doubles(operand(src, 1)), read_doubles(operand(src, 2)),
                                  read_ints(operand(src, 3))};
  const std::vector<ResampleAxis> axes = resample_axes(attrs, src[0].dims, operands);
  for (size_t i = 0; i < axes.size(); ++i)
    TERCEL_CHECK(axes[i].out == dst[0].dims[i], "axis {}: {} elements, dst has {}", i, axes[i].out, dst[0].dims[i]);
  if (attrs.get_string("mode") == "nearest") resize_nearest(axes, attrs, src[0], dst[0]);
  else resize_weighted(axes, attrs, src[0], dst[0]);
  if (coordinates != "tf_crop_and_resize") return;
  visit_dtype(dst[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T value = convert<T>(attrs.get_float("extrapolation_value"));
    walk_outside(axes, dst[0].dims, coordinates, [&](int64_t i) { dst[0].as<T>()[i] = value; });
  });
}

}  // namespace

std::vector<RefEntry> resize_refs() { return {{"Resize", resize}}; }

}  // namespace tercel::inline kernels

#include "kernels/ref/axes.h"
#include "kernels/ref/levels.h"
#include "kernels/ref/number.h"
#include "kernels/ref/ref.h"
#include "tensor/normalize_levels.h"

namespace tercel::inline kernels {
namespace {

struct Moments {
  double mean = 0;
  double variance = 0;  ///< of the elements themselves, not an estimate for a population: divided by their number
};

/// for_each(f) calls f(value) for every value, and may be called twice.
template <typename ForEach>
Moments moments(int64_t count, ForEach&& for_each) {
  Moments m;
  for_each([&](double value) { m.mean += value; });
  m.mean /= static_cast<double>(count);
  for_each([&](double value) { m.variance += (value - m.mean) * (value - m.mean); });
  m.variance /= static_cast<double>(count);
  return m;
}

template <typename T>
Moments moments_of(const T* values, int64_t count) {
  return moments(count, [&](auto&& f) {
    for (int64_t i = 0; i < count; ++i) f(to_double(values[i]));
  });
}

double epsilon_of(const Attrs& attrs) { return static_cast<double>(attrs.get_float("epsilon")); }

void batch_norm(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const std::vector<double> scale = doubles_of(src[1]);
  const std::vector<double> bias = doubles_of(src[2]);
  const std::vector<double> mean = doubles_of(src[3]);
  const std::vector<double> variance = doubles_of(src[4]);
  const double epsilon = epsilon_of(attrs);
  const AxisSplit channels(src[0].dims, 1);
  if (src[0].elements() == 0) return;
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t plane = 0; plane < channels.outer * channels.extent; ++plane) {
      const auto c = static_cast<size_t>(plane % channels.extent);
      const double factor = scale[c] / std::sqrt(variance[c] + epsilon);
      const T* from = src[0].as<T>() + plane * channels.inner;
      T* to = dst[0].as<T>() + plane * channels.inner;
      for (int64_t i = 0; i < channels.inner; ++i)
        to[i] = convert<T>((to_double(from[i]) - mean[c]) * factor + bias[c]);
    }
  });
}

/// Normalises each of n * groups runs of channels, then scales and shifts by channel. One channel per group is
/// InstanceNormalization.
void group_norm_of(const View& x, const View& scale_view, const View& bias_view, int64_t groups, double epsilon,
                   const View& dst) {
  const std::vector<double> scale = doubles_of(scale_view);
  const std::vector<double> bias = doubles_of(bias_view);
  const AxisSplit channels(x.dims, 1);
  if (x.elements() == 0) return;
  if (channels.extent % groups != 0) fail_input("{} channels do not divide into {} groups", channels.extent, groups);
  const int64_t run = channels.extent / groups * channels.inner;
  visit_float(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t g = 0; g < channels.outer * groups; ++g) {
      const T* from = x.as<T>() + g * run;
      T* to = dst.as<T>() + g * run;
      const Moments m = moments_of(from, run);
      const double factor = 1 / std::sqrt(m.variance + epsilon);
      for (int64_t i = 0; i < run; ++i) {
        const auto c = static_cast<size_t>((g * run + i) / channels.inner % channels.extent);
        to[i] = convert<T>((to_double(from[i]) - m.mean) * factor * scale[c] + bias[c]);
      }
    }
  });
}

void instance_norm(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const int64_t channels = std::max<int64_t>(src[0].dims[1], 1);
  group_norm_of(src[0], src[1], src[2], channels, epsilon_of(attrs), dst[0]);
}

void group_norm(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  group_norm_of(src[0], src[1], src[2], attrs.get_int("num_groups"), epsilon_of(attrs), dst[0]);
}

/// Stores a statistic where the result is wanted.
void store(const View& view, int64_t i, double value) {
  if (view)
    visit_float(view.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      view.as<T>()[i] = convert<T>(value);
    });
}

void layer_norm(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const View& x = src[0];
  const auto axis = static_cast<size_t>(normalize_axis(attrs.get_int("axis"), x.rank()));
  const std::span<const int64_t> normalized = std::span(x.dims).subspan(axis);
  const int64_t size = count_elements(normalized);
  const int64_t slices = count_elements(std::span(x.dims).first(axis));
  const View bias_view = operand(src, 2);
  if (x.elements() == 0 && !operand(dst, 1) && !operand(dst, 2)) return;
  const std::vector<double> scale = doubles_of(src[1]);
  const std::vector<double> bias = bias_view ? doubles_of(bias_view) : std::vector<double>{0.0};
  // Scale and bias may differ from slice to slice: they broadcast to x, not only to what is normalised.
  const std::array strides{broadcast_strides(src[1].dims, x.dims),
                           bias_view ? broadcast_strides(bias_view.dims, x.dims) : Dims(x.dims.size(), 0)};
  visit_float(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> mean(static_cast<size_t>(slices)), factor(static_cast<size_t>(slices));
    for (int64_t s = 0; s < slices; ++s) {
      const Moments m = moments_of(x.as<T>() + s * size, size);
      const auto at = static_cast<size_t>(s);
      mean[at] = m.mean;
      factor[at] = 1 / std::sqrt(m.variance + epsilon_of(attrs));
      store(operand(dst, 1), s, mean[at]);
      store(operand(dst, 2), s, factor[at]);
    }
    if (!dst[0]) return;
    const T* from = x.as<T>();
    T* to = dst[0].as<T>();
    walk(x.dims, strides, [&](int64_t i, const auto& at) {
      const auto s = static_cast<size_t>(i / size);
      to[i] = convert<T>((to_double(from[i]) - mean[s]) * factor[s] * scale[static_cast<size_t>(at[0])] +
                         bias[static_cast<size_t>(at[1])]);
    });
  });
}

void row_scale(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const int64_t size = src[0].dims.back();
  if (src[0].elements() == 0) return;
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t row = 0; row < dst[0].elements(); ++row) {
      const Moments m = moments_of(src[0].as<T>() + row * size, size);
      const double squares = attrs.get_bool("centred") ? m.variance + m.mean * m.mean : m.variance;
      dst[0].as<T>()[row] = convert<T>(1 / std::sqrt(squares + epsilon_of(attrs)));
    }
  });
}

/// y = x / (bias + alpha / size * sum of squares of the `size` channels around)^beta (Krizhevsky et al. 2012).
void lrn(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (!is_float(src[0].dtype)) return normalize_levels(attrs, src, dst);
  const AxisSplit channels(src[0].dims, 1);
  const int64_t size = attrs.get_int("size");
  const double alpha = static_cast<double>(attrs.get_float("alpha")) / static_cast<double>(size);
  const auto beta = static_cast<double>(attrs.get_float("beta"));
  const auto bias = static_cast<double>(attrs.get_float("bias"));
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    channels.for_each_line([&](int64_t first) {
      const T* from = src[0].as<T>() + first;
      T* to = dst[0].as<T>() + first;
      for (int64_t c = 0; c < channels.extent; ++c) {
        const auto [begin, end] = normalized_with(c, size, channels.extent);
        double squares = 0;
        for (int64_t i = begin; i < end; ++i) {
          const double value = to_double(from[i * channels.inner]);
          squares += value * value;
        }
        to[c * channels.inner] =
            convert<T>(to_double(from[c * channels.inner]) / std::pow(bias + alpha * squares, beta));
      }
    });
  });
}

/// A line of norm 0 gives zeros.
void lp_normalization(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const AxisSplit split(src[0].dims, attrs.get_int("axis"));
  const bool euclidean = attrs.get_int("p") == 2;
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    split.for_each_line([&](int64_t first) {
      const T* from = src[0].as<T>() + first;
      T* to = dst[0].as<T>() + first;
      double norm = 0;
      for (int64_t i = 0; i < split.extent; ++i) {
        const double value = to_double(from[i * split.inner]);
        norm += euclidean ? value * value : std::fabs(value);
      }
      if (euclidean) norm = std::sqrt(norm);
      for (int64_t i = 0; i < split.extent; ++i)
        to[i * split.inner] = convert<T>(norm == 0 ? 0 : to_double(from[i * split.inner]) / norm);
    });
  });
}

void mean_variance(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  constexpr double kEpsilon = 1e-9;  // ONNX adds it to the deviation
  const SliceAxes axes(src[0].dims, attrs.get_ints("axes"));
  if (src[0].elements() == 0) return;
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = src[0].as<T>();
    T* to = dst[0].as<T>();
    axes.for_each_slice([&](int64_t, int64_t first) {
      const Moments m = moments(axes.slice_size(), [&](auto&& f) {
        axes.for_each_element(first, [&](int64_t i) { f(to_double(from[i])); });
      });
      const double deviation = std::sqrt(m.variance) + kEpsilon;
      axes.for_each_element(first, [&](int64_t i) { to[i] = convert<T>((to_double(from[i]) - m.mean) / deviation); });
    });
  });
}

}  // namespace

std::vector<RefEntry> norm_refs() {
  return {{"BatchNormalization", batch_norm},    {"InstanceNormalization", instance_norm},
          {"LayerNormalization", layer_norm},    {"GroupNormalization", group_norm},
          {"ai.tercel.RowScale", row_scale},     {"LRN", lrn},
          {"LpNormalization", lp_normalization}, {"MeanVarianceNormalization", mean_variance}};
}

}  // namespace tercel::inline kernels

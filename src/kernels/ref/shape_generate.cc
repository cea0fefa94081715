// Operators whose results are made from a shape or from few elements.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "kernels/ref/axes.h"
#include "kernels/ref/convert.h"
#include "kernels/ref/copy.h"
#include "kernels/ref/number.h"
#include "kernels/ref/shape.h"

namespace tercel::inline kernels {
namespace {

void fill(const View& dst, const View& element) {
  visit_width(size_of(dst.dtype), [&](auto width) {
    for (int64_t i = 0, count = dst.elements(); i < count; ++i) copy_element<width>(dst, i, element, 0);
  });
}

void constant(const Attrs& attrs, std::span<const View>, std::span<const View> dst) {
  copy_all(dst[0], attrs.get_tensor("value").view());
}

void constant_of_shape(const Attrs& attrs, std::span<const View>, std::span<const View> dst) {
  if (attrs.has("value")) fill(dst[0], attrs.get_tensor("value").view());
  else if (dst[0].bytes() > 0) std::memset(dst[0].data, 0, dst[0].bytes());
}

void shape(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const int64_t rank = src[0].rank();
  const int64_t given = attrs.get_int("start");
  const int64_t start = std::clamp(given < 0 ? given + rank : given, int64_t{0}, rank);
  for (int64_t i = 0; i < dst[0].elements(); ++i) dst[0].as<int64_t>()[i] = src[0].dims[static_cast<size_t>(start + i)];
}

void size(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  *dst[0].as<int64_t>() = src[0].elements();
}

void range(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const int64_t count = dst[0].elements();
  visit_dtype(dst[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    const auto start = static_cast<C>(*src[0].as<T>());
    const auto delta = static_cast<C>(*src[2].as<T>());
    T* to = dst[0].as<T>();
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (Real<C>)
        to[i] = convert<T>(static_cast<double>(start) + static_cast<double>(i) * static_cast<double>(delta));
      else if constexpr (Whole<C>) to[i] = wrap_add(start, wrap_mul(static_cast<C>(i), delta));
      else TERCEL_CHECK(false, "range of {}", to_string(dst[0].dtype));
    }
  });
}

void expand(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  copy_strided(dst[0], src[0], dst[0].dims, broadcast_strides(src[0].dims, dst[0].dims));
}

void tile(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  std::vector<std::vector<int64_t>> tables;
  for (size_t axis = 0; axis < dst[0].dims.size(); ++axis) {
    std::vector<int64_t>& table = tables.emplace_back(static_cast<size_t>(dst[0].dims[axis]));
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<int64_t>(i) % src[0].dims[axis];
  }
  copy_by_tables(dst[0], src[0], tables, View{});
}

void eye_like(const Attrs& attrs, std::span<const View>, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  std::memset(dst[0].data, 0, dst[0].bytes());
  const int64_t rows = dst[0].dims[0], columns = dst[0].dims[1];
  const int64_t k = std::clamp(attrs.get_int("k"), -rows, columns);
  visit_dtype(dst[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = dst[0].as<T>();
    for (int64_t row = std::max(int64_t{0}, -k); row < rows && row + k < columns; ++row)
      to[row * columns + row + k] = convert<T>(1);
  });
}

/// a0 - a1 cos(angle) + a2 cos(2 angle), one turn a period. Where the standard divides 0 by 0 (symmetric, one element)
/// the window is its middle, as in NumPy and SciPy.
void cosine_window(const Attrs& attrs, const View& dst, double a0, double a1, double a2) {
  const int64_t count = dst.elements();
  const int64_t period = attrs.get_bool("periodic") ? count : count - 1;
  visit_number(dst.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < count; ++i) {
      const double turns = period > 0 ? static_cast<double>(i) / static_cast<double>(period) : 0.5;
      const double angle = 2 * std::numbers::pi * turns;
      dst.as<T>()[i] = convert<T>(a0 - a1 * std::cos(angle) + a2 * std::cos(2 * angle));
    }
  });
}

// Coefficients as the ONNX standard gives them.
void blackman_window(const Attrs& attrs, std::span<const View>, std::span<const View> dst) {
  cosine_window(attrs, dst[0], 0.42, 0.5, 0.08);
}

void hamming_window(const Attrs& attrs, std::span<const View>, std::span<const View> dst) {
  cosine_window(attrs, dst[0], 25.0 / 46, 21.0 / 46, 0);
}

void hann_window(const Attrs& attrs, std::span<const View>, std::span<const View> dst) {
  cosine_window(attrs, dst[0], 0.5, 0.5, 0);
}

/// Indices in [-depth, depth) set one place; all others leave the whole column off.
void one_hot(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const View& values = src[2];
  fill(dst[0], values);
  if (dst[0].elements() == 0) return;
  const AxisSplit axis(dst[0].dims, attrs.get_int("axis"));
  visit_dtype(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* indices = src[0].as<T>();
    for (int64_t i = 0, count = src[0].elements(); i < count; ++i) {
      int64_t index = convert<int64_t>(static_cast<Compute<T>>(indices[i]));
      if (index < -axis.extent || index >= axis.extent) continue;
      if (index < 0) index += axis.extent;
      copy_run(dst[0], (i / axis.inner * axis.extent + index) * axis.inner + i % axis.inner, values, 1, 1);
    }
  });
}

}  // namespace

std::vector<RefEntry> generate_refs() {
  return {
      {"Constant", constant},
      {"ConstantOfShape", constant_of_shape},
      {"Expand", expand},
      {"EyeLike", eye_like},
      {"OneHot", one_hot},
      {"Range", range},
      {"Shape", shape},
      {"Size", size},
      {"Tile", tile},
      {"BlackmanWindow", blackman_window},
      {"HammingWindow", hamming_window},
      {"HannWindow", hann_window},
  };
}

}  // namespace tercel::inline kernels

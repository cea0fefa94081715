// Operators that depend on the order of elements along an axis.
#include <numeric>

#include "kernels/ref/axes.h"
#include "kernels/ref/number.h"
#include "kernels/ref/reduce_parts.h"

namespace tercel::inline kernels {
namespace {

/// A total order: NaN is above every number, so that sorting is defined for all bits.
template <typename T>
bool below(T a, T b) {
  if constexpr (kIsFloat<T>)
    if (std::isnan(to_double(b))) return !std::isnan(to_double(a));
  return a < b;
}

/// NaN is better than every number, to ArgMin as to ArgMax: NumPy, PyTorch and ONNX Runtime agree, and ReduceMin gives
/// it.
template <bool largest, typename T>
bool better(T a, T b) {
  if constexpr (kIsFloat<T>)
    if (std::isnan(to_double(a)) || std::isnan(to_double(b))) return !std::isnan(to_double(b));
  return largest ? below(b, a) : below(a, b);
}

template <bool largest>
void arg(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const AxisSplit split(src[0].dims, attrs.get_int("axis"));
  const bool last = attrs.get_bool("select_last_index");
  if (split.extent == 0 && dst[0].elements() > 0) fail_input("no best of an empty axis");
  visit_number(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    int64_t* to = dst[0].as<int64_t>();
    split.for_each_line([&](int64_t first) {
      const T* line = src[0].as<T>() + first;
      int64_t best = 0;
      for (int64_t i = 1; i < split.extent; ++i) {
        const T value = line[i * split.inner];
        const T champion = line[best * split.inner];
        if (better<largest>(value, champion) || (last && !better<largest>(champion, value))) best = i;
      }
      *to++ = best;
    });
  });
}

/// Best first; of equals the one with the lower index.
void top_k(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const AxisSplit split(src[0].dims, attrs.get_int("axis"));
  const bool largest = attrs.get_bool("largest");
  const int64_t k = src[1].as<int64_t>()[0];
  if (k < 0 || k > split.extent) fail_input("k is {}, the axis has {} elements", k, split.extent);
  const auto axis = static_cast<size_t>(normalize_axis(attrs.get_int("axis"), src[0].rank()));
  for (const View& result : dst)
    if (result && result.dims[axis] != k) fail_input("k is {}, the result has {} elements", k, result.dims[axis]);
  const View values = operand(dst, 0);
  const View places = operand(dst, 1);
  visit_number(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<int64_t> order(static_cast<size_t>(split.extent));
    int64_t line_number = 0;
    split.for_each_line([&](int64_t first) {
      const T* line = src[0].as<T>() + first;
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
        const T x = line[a * split.inner];
        const T y = line[b * split.inner];
        if (below(x, y) || below(y, x)) return largest ? below(y, x) : below(x, y);
        return a < b;
      });
      const int64_t to = line_number / split.inner * k * split.inner + line_number % split.inner;
      ++line_number;
      for (int64_t i = 0; i < k; ++i) {
        const int64_t from = order[static_cast<size_t>(i)];
        if (values) values.as<T>()[to + i * split.inner] = line[from * split.inner];
        if (places) places.as<int64_t>()[to + i * split.inner] = from;
      }
    });
  });
}

void cum_sum(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const int64_t axis = src[1].dtype == DType::i32 ? src[1].as<int32_t>()[0] : src[1].as<int64_t>()[0];
  const AxisSplit split(src[0].dims, axis);
  const bool exclusive = attrs.get_bool("exclusive");
  const bool reverse = attrs.get_bool("reverse");
  visit_number(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    split.for_each_line([&](int64_t first) {
      Sum<T> sum{};
      for (int64_t step = 0; step < split.extent; ++step) {
        const int64_t i = first + (reverse ? split.extent - 1 - step : step) * split.inner;
        const Sum<T> before = sum;
        sum += to_sum(src[0].as<T>()[i]);
        dst[0].as<T>()[i] = from_sum<T>(exclusive ? before : sum);
      }
    });
  });
}

}  // namespace

std::vector<RefEntry> order_refs() {
  return {{"ArgMax", arg<true>}, {"ArgMin", arg<false>}, {"TopK", top_k}, {"CumSum", cum_sum}};
}

}  // namespace tercel::inline kernels

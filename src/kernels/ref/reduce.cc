#include <numeric>

#include "kernels/ref/axes.h"
#include "kernels/ref/number.h"
#include "kernels/ref/reduce_parts.h"

namespace tercel::inline kernels {
namespace {

// A reduction over elements of type T keeps an `acc`, takes each element with step, and ends with finish. Integers are
// summed exactly (modulo 2^64); what leaves the integers (means, roots, logarithms) is computed in double and cut off.

template <typename T>
struct AddUp {
  Sum<T> acc{};
  void step(T value) { acc += to_sum(value); }
  T finish(int64_t) const { return from_sum<T>(acc); }
};

template <typename T>
struct Mean {
  std::conditional_t<kIsFloat<T>, double, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>> acc{};
  void step(T value) {
    if constexpr (kIsFloat<T>) acc += to_double(value);
    else acc = wrap_add(acc, static_cast<decltype(acc)>(value));
  }
  T finish(int64_t count) const {
    if constexpr (kIsFloat<T>) return convert<T>(acc / static_cast<double>(count));
    else return count == 0 ? T{0} : static_cast<T>(acc / static_cast<decltype(acc)>(count));
  }
};

template <typename T>
struct Multiply {
  Sum<T> acc{1};
  void step(T value) { acc *= to_sum(value); }
  T finish(int64_t) const { return from_sum<T>(acc); }
};

template <typename T>
struct SumSquare {
  Sum<T> acc{};
  void step(T value) { acc += to_sum(value) * to_sum(value); }
  T finish(int64_t) const { return from_sum<T>(acc); }
};

template <typename T>
struct L1 {
  Sum<T> acc{};
  void step(T value) { acc += value < T{} ? -to_sum(value) : to_sum(value); }
  T finish(int64_t) const { return from_sum<T>(acc); }
};

template <typename T>
struct L2 {
  double acc = 0;
  void step(T value) { acc += to_double(value) * to_double(value); }
  T finish(int64_t) const { return convert<T>(std::sqrt(acc)); }
};

template <typename T>
struct LogSum {
  double acc = 0;
  void step(T value) { acc += to_double(value); }
  T finish(int64_t) const { return convert<T>(std::log(acc)); }
};

/// Keeps sum of exp(x - largest), so that exp never overflows: when a larger x comes, the sum so far is scaled down.
template <typename T>
struct LogSumExp {
  double largest = -std::numeric_limits<double>::infinity();
  double acc = 0;
  void step(T element) {
    const double value = to_double(element);
    if (value > largest) {
      acc = acc * std::exp(largest - value) + 1;
      largest = value;
    } else if (value == largest) {
      acc += std::isinf(value) && value < 0 ? 0 : 1;  // inf - inf has no difference
    } else {
      acc += std::exp(value - largest);
    }
  }
  T finish(int64_t) const { return convert<T>(acc == 0 ? largest : std::log(acc) + largest); }
};

template <typename T, bool largest>
struct Extreme {
  T acc = largest ? lowest_of<T>() : highest_of<T>();
  void step(T value) {
    if (largest ? acc < value : value < acc) acc = value;
    if constexpr (kIsFloat<T>)
      if (std::isnan(static_cast<float>(value))) acc = value;  // a NaN wins, and nothing is larger or smaller than it
  }
  T finish(int64_t) const { return acc; }
};
template <typename T>
using Largest = Extreme<T, true>;
template <typename T>
using Smallest = Extreme<T, false>;

template <typename T, template <typename> typename Reduction>
void reduce_of(const SliceAxes& axes, const View& src, const View& dst) {
  const T* from = src.as<T>();
  T* to = dst.as<T>();
  axes.for_each_slice([&](int64_t slice, int64_t first) {
    Reduction<T> reduction;
    axes.for_each_element(first, [&](int64_t i) { reduction.step(from[i]); });
    to[slice] = reduction.finish(axes.slice_size());
  });
}

template <template <typename> typename Reduction>
void reduce(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  Dims axes;
  const View given = operand(src, 1);
  if (given) axes.assign(given.as<int64_t>(), given.as<int64_t>() + given.elements());
  if (axes.empty() && !attrs.get_bool("noop_with_empty_axes")) {
    axes.resize(src[0].dims.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  const SliceAxes slices(src[0].dims, axes);
  if (count_elements(slices.kept) != dst[0].elements())
    fail_input("reducing {} of {} axes does not give shape {}", axes.size(), src[0].dims.size(),
               to_string(dst[0].dims));
  if constexpr (std::is_same_v<Reduction<float>, Largest<float>> || std::is_same_v<Reduction<float>, Smallest<float>>) {
    if (src[0].dtype == DType::boolean) {  // as bytes 0 and 1
      const auto bytes = [](const View& view) { return View{DType::u8, view.dims, view.data}; };
      reduce_of<uint8_t, Reduction>(slices, bytes(src[0]), bytes(dst[0]));
      for (int64_t i = 0; i < dst[0].elements(); ++i) dst[0].as<Bool>()[i] = Bool(dst[0].as<Bool>()[i]);
      return;
    }
  }
  visit_number(src[0].dtype,
               [&](auto tag) { reduce_of<typename decltype(tag)::type, Reduction>(slices, src[0], dst[0]); });
}

/// By elimination with the largest pivot of each column.
double determinant(std::vector<double> m, size_t n) {
  double det = 1;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row)
      if (std::fabs(m[row * n + column]) > std::fabs(m[pivot * n + column])) pivot = row;
    if (m[pivot * n + column] == 0) return 0;
    if (pivot != column) {
      std::swap_ranges(m.begin() + static_cast<std::ptrdiff_t>(pivot * n),
                       m.begin() + static_cast<std::ptrdiff_t>(pivot * n + n),
                       m.begin() + static_cast<std::ptrdiff_t>(column * n));
      det = -det;
    }
    det *= m[column * n + column];
    for (size_t row = column + 1; row < n; ++row) {
      const double factor = m[row * n + column] / m[column * n + column];
      for (size_t i = column; i < n; ++i) m[row * n + i] -= factor * m[column * n + i];
    }
  }
  return det;
}

void det(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const auto n = static_cast<size_t>(src[0].dims.back());
  const auto size = static_cast<int64_t>(n * n);
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0, count = dst[0].elements(); i < count; ++i) {
      std::vector<double> matrix;
      for (int64_t j = 0; j < size; ++j) matrix.push_back(to_double(src[0].as<T>()[i * size + j]));
      dst[0].as<T>()[i] = convert<T>(determinant(std::move(matrix), n));
    }
  });
}

}  // namespace

std::vector<RefEntry> reduce_refs() {
  std::vector<RefEntry> refs = {{"ReduceSum", reduce<AddUp>},
                                {"ReduceMean", reduce<Mean>},
                                {"ReduceMax", reduce<Largest>},
                                {"ReduceMin", reduce<Smallest>},
                                {"ReduceProd", reduce<Multiply>},
                                {"ReduceL1", reduce<L1>},
                                {"ReduceL2", reduce<L2>},
                                {"ReduceLogSum", reduce<LogSum>},
                                {"ReduceLogSumExp", reduce<LogSumExp>},
                                {"ReduceSumSquare", reduce<SumSquare>},
                                {"Det", det}};
  for (auto* part : {&softmax_refs, &order_refs, &loss_refs})
    for (const RefEntry& entry : part()) refs.push_back(entry);
  return refs;
}

}  // namespace tercel::inline kernels

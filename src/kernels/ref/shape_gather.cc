// Reading and writing at places given as elements. Negative indices count from the end; one outside is an Error.
#include "kernels/ref/axes.h"
#include "kernels/ref/convert.h"
#include "kernels/ref/copy.h"
#include "kernels/ref/shape.h"

namespace tercel::inline kernels {
namespace {

void gather(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const auto [outer, extent, inner] = AxisSplit(src[0].dims, attrs.get_int("axis"));
  std::vector<int64_t> indices = read_ints(src[1]);
  for (int64_t& index : indices) index = checked_index(index, extent);
  const auto count = static_cast<int64_t>(indices.size());
  if (dst[0].elements() == 0) return;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < count; ++i)
      copy_run(dst[0], (o * count + i) * inner, src[0], (o * extent + indices[static_cast<size_t>(i)]) * inner, inner);
}

/// Calls f(i, place) for every index i of GatherElements or ScatterElements, with the element of data it names.
template <typename F>
void walk_elements(const View& data, const View& indices, int64_t axis_attr, F&& f) {
  const auto axis = static_cast<size_t>(normalize_axis(axis_attr, data.rank()));
  Dims strides = row_major_strides(data.dims);
  const int64_t stride = std::exchange(strides[axis], 0), extent = data.dims[axis];
  for (size_t i = 0; i < data.dims.size(); ++i)
    TERCEL_CHECK(i == axis || indices.dims[i] <= data.dims[i], "indices {} of data {}", to_string(indices.dims),
                 to_string(data.dims));
  const std::vector<int64_t> index = read_ints(indices);
  walk(indices.dims, std::array{strides},
       [&](int64_t i, const auto& at) { f(i, at[0] + checked_index(index[static_cast<size_t>(i)], extent) * stride); });
}

void gather_elements(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  walk_elements(src[0], src[1], attrs.get_int("axis"),
                [&](int64_t i, int64_t place) { copy_run(dst[0], i, src[0], place, 1); });
}

/// Calls f(i, place, run) for every index tuple i of GatherND or ScatterND: it names the `run` elements of data from
/// `place` on.
template <typename F>
void walk_tuples(const View& data, const View& indices, int64_t batch, F&& f) {
  const int64_t tuple = indices.dims.back();
  const std::span<const int64_t> dims = data.dims;
  const auto begin = static_cast<size_t>(batch), end = static_cast<size_t>(batch + tuple);
  const Dims strides = row_major_strides(data.dims);
  const int64_t batches = count_elements(dims.first(begin));
  const int64_t per_batch = count_elements(dims.subspan(begin)), run = count_elements(dims.subspan(end));
  const std::vector<int64_t> index = read_ints(indices);
  const int64_t tuples = static_cast<int64_t>(index.size()) / tuple;
  for (int64_t i = 0; i < tuples; ++i) {
    int64_t place = i / (tuples / batches) * per_batch;
    for (int64_t k = 0; k < tuple; ++k) {
      const auto axis = static_cast<size_t>(batch + k);
      place += checked_index(index[static_cast<size_t>(i * tuple + k)], dims[axis]) * strides[axis];
    }
    f(i, place, run);
  }
}

void gather_nd(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  walk_tuples(src[0], src[1], attrs.get_int("batch_dims"),
              [&](int64_t i, int64_t place, int64_t run) { copy_run(dst[0], i * run, src[0], place, run); });
}

/// Calls body(update) with a function update(place, i) that lets element i of `updates` act on element `place` of dst.
template <typename Body>
void with_reduction(const std::string& reduction, const View& dst, const View& updates, Body&& body) {
  if (reduction == "none") return body([&](int64_t place, int64_t i) { copy_run(dst, place, updates, i, 1); });
  visit_dtype(dst.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    if constexpr (Number<C>) {
      T* to = dst.as<T>();
      const T* from = updates.as<T>();
      const auto with = [&](auto combine) {
        body([&](int64_t place, int64_t i) {
          to[place] = T(combine(static_cast<C>(to[place]), static_cast<C>(from[i])));
        });
      };
      if (reduction == "max") return with([](C a, C b) { return a > b || a != a ? a : b; });
      if (reduction == "min") return with([](C a, C b) { return a < b || a != a ? a : b; });
      if constexpr (Whole<C>) {
        if (reduction == "add") return with([](C a, C b) { return wrap_add(a, b); });
        if (reduction == "mul") return with([](C a, C b) { return wrap_mul(a, b); });
      } else {
        if (reduction == "add") return with([](C a, C b) { return a + b; });
        if (reduction == "mul") return with([](C a, C b) { return a * b; });
      }
    }
    TERCEL_CHECK(false, "reduction '{}' of {}", reduction, to_string(dst.dtype));
  });
}

void scatter_elements(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  copy_all(dst[0], src[0]);
  with_reduction(attrs.get_string("reduction"), dst[0], src[2], [&](auto update) {
    walk_elements(dst[0], src[1], attrs.get_int("axis"), [&](int64_t i, int64_t place) { update(place, i); });
  });
}

void scatter_nd(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  copy_all(dst[0], src[0]);
  with_reduction(attrs.get_string("reduction"), dst[0], src[2], [&](auto update) {
    walk_tuples(dst[0], src[1], 0, [&](int64_t i, int64_t place, int64_t run) {
      for (int64_t j = 0; j < run; ++j) update(place + j, i * run + j);
    });
  });
}

}  // namespace

std::vector<RefEntry> gather_refs() {
  return {
      {"Gather", gather},        {"GatherElements", gather_elements},
      {"GatherND", gather_nd},   {"ScatterElements", scatter_elements},
      {"ScatterND", scatter_nd},
  };
}

}  // namespace tercel::inline kernels

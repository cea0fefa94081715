// Moving elements whose values do not matter: one kernel body per width instead of one per type.
#pragma once

#include <cstring>
#include <type_traits>
#include <vector>

#include "kernels/ref/broadcast.h"
#include "tensor/view.h"

namespace tercel::inline kernels {

/// Calls f(std::integral_constant<size_t, N>) with N = bytes, the width of an element type.
template <typename F>
void visit_width(size_t bytes, F&& f) {
  switch (bytes) {
    case 1: return f(std::integral_constant<size_t, 1>{});
    case 2: return f(std::integral_constant<size_t, 2>{});
    case 4: return f(std::integral_constant<size_t, 4>{});
    case 8: return f(std::integral_constant<size_t, 8>{});
    default: TERCEL_CHECK(false, "no element is {} bytes wide", bytes);
  }
}

/// Copies element `from` of src to element `to` of dst, both of the given width in bytes.
template <size_t width>
void copy_element(const View& dst, int64_t to, const View& src, int64_t from) {
  std::memcpy(dst.data + static_cast<size_t>(to) * width, src.data + static_cast<size_t>(from) * width, width);
}

/// Copies `count` neighbouring elements; none at all is fine, whatever the addresses.
inline void copy_run(const View& dst, int64_t to, const View& src, int64_t from, int64_t count) {
  const size_t width = size_of(dst.dtype);
  if (count > 0)
    std::memcpy(dst.data + static_cast<size_t>(to) * width, src.data + static_cast<size_t>(from) * width,
                static_cast<size_t>(count) * width);
}

/// Copies everything, in row-major order of both.
inline void copy_all(const View& dst, const View& src) {
  TERCEL_CHECK(dst.elements() == src.elements(), "{} to {}", to_string(src.dims), to_string(dst.dims));
  copy_run(dst, 0, src, 0, dst.elements());
}

/// Writes dst in order, reading src from element `base` on along `strides`. `dims` is dst's shape, or one of the same
/// size that says more about its order.
inline void copy_strided(const View& dst, const View& src, const Dims& dims, const Dims& strides, int64_t base = 0) {
  visit_width(size_of(dst.dtype), [&](auto width) {
    walk(dims, std::array{strides}, [&](int64_t i, const auto& at) { copy_element<width>(dst, i, src, base + at[0]); });
  });
}

/// dst[i, j, ...] = src[tables[0][i], tables[1][j], ...], or the one element of `fill` where a table says kNowhere.
inline constexpr int64_t kNowhere = -1;
void copy_by_tables(const View& dst, const View& src, const std::vector<std::vector<int64_t>>& tables,
                    const View& fill);

}  // namespace tercel::inline kernels

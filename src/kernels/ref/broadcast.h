// Walking several tensors in step: broadcasting is a stride of 0, transposing is strides in another order, slicing is
// longer or negative strides. One walk serves them all.
#pragma once

#include <array>
#include <span>

#include "base/check.h"
#include "tensor/shape.h"

namespace tercel::inline kernels {

/// Strides, in elements, that walk a dense tensor of shape `from` as if it were broadcast to `to`: 0 along stretched
/// axes. `from` must broadcast to `to` (the shape rule has seen to that).
inline Dims broadcast_strides(std::span<const int64_t> from, std::span<const int64_t> to) {
  TERCEL_CHECK(from.size() <= to.size(), "{} to {}", to_string(from), to_string(to));
  const Dims dense = row_major_strides(from);
  Dims strides(to.size(), 0);
  const size_t lead = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i) {
    TERCEL_CHECK(from[i] == to[lead + i] || from[i] == 1, "{} to {}", to_string(from), to_string(to));
    if (from[i] != 1) strides[lead + i] = dense[i];
  }
  return strides;
}

/// Visits every index of `dims` in row-major order and calls f(i, offsets): i counts the visits, offsets[k] is the
/// place of that index in tensor k, whose strides are strides[k] (one per axis, in elements).
template <size_t N, typename F>
void walk(std::span<const int64_t> dims, const std::array<Dims, N>& strides, F&& f) {
  const int64_t count = count_elements(dims);
  if (count == 0) return;
  std::array<int64_t, N> offsets{};
  if (dims.empty()) return f(int64_t{0}, offsets);
  const size_t last = dims.size() - 1;
  Dims index(dims.size(), 0);
  for (int64_t i = 0; i < count;) {
    std::array<int64_t, N> inner = offsets;
    for (int64_t j = 0; j < dims[last]; ++j, ++i) {
      f(i, inner);
      for (size_t k = 0; k < N; ++k) inner[k] += strides[k][last];
    }
    for (size_t axis = last; axis-- > 0;) {
      for (size_t k = 0; k < N; ++k) offsets[k] += strides[k][axis];
      if (++index[axis] < dims[axis]) break;
      for (size_t k = 0; k < N; ++k) offsets[k] -= strides[k][axis] * dims[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace tercel::inline kernels

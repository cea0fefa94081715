// A box of index tuples, walked over several tensors in step, with as few axes as possible: what shapes and layouts
// come down to once strides are written out.
#pragma once

#include <algorithm>
#include <array>

#include "kernels/reorder.h"

namespace tercel::inline kernels {

/// Axes a Box holds: fixed, so that walking one allocates nothing.
inline constexpr size_t kMaxAxes = 16;

/// Elements between neighbours along each logical axis, for dense elements in `layout`.
inline Dims strides_in(const Dims& dims, Layout layout) {
  const Dims dense = row_major_strides(physical_dims(dims, layout));
  Dims strides(dims.size());
  const auto rank = static_cast<int64_t>(dims.size());
  for (int64_t axis = 0; axis < rank; ++axis)
    strides[static_cast<size_t>(axis)] = dense[static_cast<size_t>(physical_axis(axis, rank, layout))];
  return strides;
}

/// Strides that walk `operand` as if it were broadcast to `dims`: 0 along axes that are stretched.
inline Dims broadcast_strides_in(const Operand& operand, const Dims& dims) {
  const Dims own = strides_in(operand.dims, operand.layout);
  Dims strides(dims.size(), 0);
  const size_t lead = dims.size() - own.size();
  for (size_t i = 0; i < own.size(); ++i)
    if (operand.dims[i] != 1) strides[lead + i] = own[i];
  return strides;
}

/// N tensors over the same index tuples; tensor k's element lies at the sum of index times strides[k].
template <size_t N>
struct Box {
  size_t rank = 0;
  std::array<int64_t, kMaxAxes> dims{};
  std::array<std::array<int64_t, kMaxAxes>, N> strides{};

  Box() = default;

  /// Axes of extent 1 go, the rest is sorted so that the last tensor is walked forwards, and axes that all tensors walk
  /// as one become one. At least one axis stays. More than kMaxAxes given axes: a Bug.
  Box(const Dims& extents, const std::array<Dims, N>& given) {
    TERCEL_CHECK(extents.size() <= kMaxAxes, "{} axes", extents.size());
    std::vector<size_t> order;
    for (size_t i = 0; i < extents.size(); ++i)
      if (extents[i] != 1) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return given[N - 1][a] > given[N - 1][b]; });
    for (size_t axis : order) {
      bool joins = rank > 0;
      for (size_t k = 0; k < N; ++k) joins = joins && strides[k][rank - 1] == given[k][axis] * extents[axis];
      if (joins) dims[rank - 1] *= extents[axis];
      else dims[rank++] = extents[axis];
      for (size_t k = 0; k < N; ++k) strides[k][rank - 1] = given[k][axis];
    }
    if (rank > 0) return;
    rank = 1;
    dims[0] = 1;
    for (size_t k = 0; k < N; ++k) strides[k][0] = 1;
  }

  int64_t extent() const { return dims[rank - 1]; }  ///< of the innermost axis
  int64_t stride(size_t tensor) const { return strides[tensor][rank - 1]; }
  /// Index tuples without the innermost axis.
  int64_t rows() const {
    int64_t count = 1;
    for (size_t i = 0; i + 1 < rank; ++i) count *= dims[i];
    return count;
  }
};

/// Walks the rows of a box in order, from any one on.
template <size_t N>
class RowWalk {
 public:
  RowWalk(const Box<N>& box, int64_t row) : box_(box) {
    for (size_t i = box.rank - 1; i-- > 0;) {
      index_[i] = row % box.dims[i];
      row /= box.dims[i];
      for (size_t k = 0; k < N; ++k) at_[k] += index_[i] * box.strides[k][i];
    }
  }
  int64_t at(size_t tensor) const { return at_[tensor]; }
  void next() {
    for (size_t i = box_.rank - 1; i-- > 0;) {
      for (size_t k = 0; k < N; ++k) at_[k] += box_.strides[k][i];
      if (++index_[i] < box_.dims[i]) return;
      for (size_t k = 0; k < N; ++k) at_[k] -= box_.strides[k][i] * box_.dims[i];
      index_[i] = 0;
    }
  }

 private:
  const Box<N>& box_;
  std::array<int64_t, kMaxAxes> index_{};
  std::array<int64_t, N> at_{};
};

}  // namespace tercel::inline kernels

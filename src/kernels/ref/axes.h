// Tensors cut into slices along axes.
#pragma once

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kernels/ref/broadcast.h"
#include "tensor/view.h"

namespace tercel::inline kernels {

/// A shape around one axis: element (o, a, i) lies at (o * extent + a) * inner + i.
struct AxisSplit {
  int64_t outer, extent, inner;
  AxisSplit(std::span<const int64_t> dims, int64_t axis) {
    const auto at = static_cast<size_t>(normalize_axis(axis, static_cast<int64_t>(dims.size())));
    outer = count_elements(dims.first(at));
    extent = dims[at];
    inner = count_elements(dims.subspan(at + 1));
  }
  /// f(first element) for every line along the axis; its elements are `inner` apart.
  template <typename F>
  void for_each_line(F&& f) const {
    if (extent == 0) return;  // nothing to do, however many empty lines there are
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) f(o * extent * inner + i);
  }
};

/// A shape cut into the axes that are reduced and those that are kept.
struct SliceAxes {
  Dims kept, kept_strides;  ///< strides in the tensor that is cut
  Dims reduced, reduced_strides;

  /// `axes` may be negative and in any order. Throws Error where one is out of range or given twice.
  SliceAxes(std::span<const int64_t> dims, std::span<const int64_t> axes) {
    const auto rank = static_cast<int64_t>(dims.size());
    std::vector<bool> is_reduced(dims.size(), false);
    for (int64_t axis : axes) {
      const auto at = static_cast<size_t>(normalize_axis(axis, rank));
      if (is_reduced[at]) fail_input("axis {} is given twice", axis);
      is_reduced[at] = true;
    }
    const Dims strides = row_major_strides(dims);
    for (size_t i = 0; i < dims.size(); ++i) {
      (is_reduced[i] ? reduced : kept).push_back(dims[i]);
      (is_reduced[i] ? reduced_strides : kept_strides).push_back(strides[i]);
    }
  }

  /// f(slice number, first element) in row-major order of the kept axes.
  template <typename F>
  void for_each_slice(F&& f) const {
    walk(kept, std::array{kept_strides}, [&](int64_t i, const auto& at) { f(i, at[0]); });
  }
  /// f(element) for every element of a slice, in row-major order of the reduced axes.
  template <typename F>
  void for_each_element(int64_t first, F&& f) const {
    walk(reduced, std::array{reduced_strides}, [&](int64_t, const auto& at) { f(first + at[0]); });
  }
  int64_t slice_size() const { return count_elements(reduced); }
};

}  // namespace tercel::inline kernels

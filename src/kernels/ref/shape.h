// What kernels of the shape family share.
#pragma once

#include <vector>

#include "base/error.h"
#include "kernels/ref/ref.h"
#include "tensor/view.h"

namespace tercel::inline kernels {

/// Elements of any integer type; none where the operand is left out.
std::vector<int64_t> read_ints(const View& view);

/// Elements of any type; none where the operand is left out.
std::vector<double> read_doubles(const View& view);

/// index in [-extent, extent) to [0, extent). Throws Error for one outside.
inline int64_t checked_index(int64_t index, int64_t extent) {
  if (index < -extent || index >= extent) fail_input("index {} is outside an axis of {} elements", index, extent);
  return index < 0 ? index + extent : index;
}

/// Axes that attribute `axes` names, or operand `axes` (empty: left out), counted from the front; all where not given.
std::vector<int64_t> axes_or_all(const std::vector<int64_t>* given, int64_t rank);

// Parts of the family; shape_refs() joins them.
std::vector<RefEntry> reshape_refs();      ///< shape_reshape.cc
std::vector<RefEntry> generate_refs();     ///< shape_generate.cc
std::vector<RefEntry> cut_refs();          ///< shape_cut.cc
std::vector<RefEntry> gather_refs();       ///< shape_gather.cc
std::vector<RefEntry> select_refs();       ///< shape_select.cc
std::vector<RefEntry> resize_refs();       ///< shape_resize.cc
std::vector<RefEntry> grid_sample_refs();  ///< shape_grid_sample.cc
std::vector<RefEntry> roi_align_refs();    ///< shape_roi_align.cc

}  // namespace tercel::inline kernels

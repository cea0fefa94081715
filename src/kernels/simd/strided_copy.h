// Moving boxes of elements of any type from one set of strides to another: the one mechanism behind Transpose, Slice,
// Concat, Split, Pad, Expand and the change of layouts.
#pragma once

#include "kernels/simd/box.h"

namespace tercel::inline kernels {

class StridedCopy {
 public:
  /// Elements of `width` bytes (1, 2, 4, 8); strides and bases in elements, those of src may be 0 or negative.
  StridedCopy(const Dims& dims, const Dims& src_strides, const Dims& dst_strides, size_t width, int64_t src_base = 0,
              int64_t dst_base = 0);

  /// In parallel where it is worth it. Addresses of any alignment; the two boxes must not overlap.
  void run(const std::byte* src, std::byte* dst) const;

 private:
  template <typename T>
  void run_of(const std::byte* src, std::byte* dst) const;

  Box<2> box_;  // src, dst; where columns_ > 1 without the axis that src has contiguous
  bool empty_;
  int64_t columns_ = 1;        // extent of the axis that src has contiguous, where dst has another
  int64_t column_stride_ = 0;  // its stride in dst
  size_t width_;
  int64_t src_base_, dst_base_;
};

}  // namespace tercel::inline kernels

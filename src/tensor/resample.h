// The axes of a Resize: how large the result is and where its elements lie in the source. Shape rule and kernel ask the
// same code.
#pragma once

#include <vector>

#include "tensor/attrs.h"

namespace tercel::inline tensor {

struct ResampleAxis {
  int64_t in = kUnknown;
  int64_t out = kUnknown;
  double scale = 1;      ///< elements of the result per element of the source
  double roi_begin = 0;  ///< tf_crop_and_resize: the part of the axis that is shown, 0 = first element, 1 = last
  double roi_end = 1;

  /// Where element `o` of the result lies in the source, under a coordinate_transformation_mode of ONNX Resize.
  double source(int64_t o, std::string_view mode) const;
};

/// Operands of ONNX Resize; empty where left out.
struct ResampleOperands {
  std::vector<double> roi;
  std::vector<double> scales;
  std::vector<int64_t> sizes;
};

/// One entry per axis of `dims`, whose extents may be unknown. Throws Error for lengths, scales and sizes that make no
/// sense.
std::vector<ResampleAxis> resample_axes(const Attrs& attrs, const Dims& dims, const ResampleOperands& operands);

}  // namespace tercel::inline tensor

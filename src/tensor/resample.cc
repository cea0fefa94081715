#include "tensor/resample.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace tercel::inline tensor {
namespace {

int64_t extent_of(double size, size_t axis) {
  if (!(size >= 0) || size > static_cast<double>(kMaxElements))
    fail(ErrorCode::limit, "axis {} would have {} elements", axis, size);
  return static_cast<int64_t>(size);
}

/// keep_aspect_ratio_policy other than stretch: one scale for all axes, sizes rounded half up.
void keep_aspect_ratio(bool larger, const std::vector<int64_t>& axes, std::vector<ResampleAxis>& result) {
  double scale = larger ? 0 : HUGE_VAL;
  for (int64_t a : axes) {
    const ResampleAxis& axis = result[static_cast<size_t>(a)];
    if (axis.in == kUnknown) {  // then no size follows
      for (int64_t b : axes) result[static_cast<size_t>(b)].out = kUnknown;
      return;
    }
    const double ratio = static_cast<double>(axis.out) / static_cast<double>(axis.in);
    scale = larger ? std::max(scale, ratio) : std::min(scale, ratio);
  }
  for (int64_t a : axes) {
    ResampleAxis& axis = result[static_cast<size_t>(a)];
    axis.scale = scale;
    axis.out = extent_of(std::floor(scale * static_cast<double>(axis.in) + 0.5), static_cast<size_t>(a));
  }
}

void need_length(size_t length, size_t wanted, std::string_view what) {
  if (length != wanted) fail_input("{} has {} elements, wanted {}", what, length, wanted);
}

}  // namespace

double ResampleAxis::source(int64_t o, std::string_view mode) const {
  const auto x = static_cast<double>(o);
  const auto size = static_cast<double>(in);
  // An axis that keeps its size keeps its elements, whichever way pixels are thought of (as ONNX Runtime has it):
  // tf_half_pixel_for_nn would move batch and channels by half an element too.
  if (scale == 1 && out == in && mode != "tf_crop_and_resize") return x;
  const double half_pixel = (x + 0.5) / scale - 0.5;
  if (mode == "half_pixel") return half_pixel;
  if (mode == "pytorch_half_pixel") return out > 1 ? half_pixel : 0;
  if (mode == "half_pixel_symmetric") {
    // Scaled sizes that are no whole numbers lose their rest on both sides, not only on the right.
    const double adjustment = static_cast<double>(out) / (scale * size);
    return size / 2 * (1 - adjustment) + half_pixel;
  }
  if (mode == "align_corners") {
    const double length = scale * size;  // before it was rounded down: ONNX's own test data wants it so
    return out <= 1 || length == 1 ? 0 : x * (size - 1) / (length - 1);
  }
  if (mode == "asymmetric") return x / scale;
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5) / scale;
  if (mode == "tf_crop_and_resize") {
    if (out <= 1) return 0.5 * (roi_begin + roi_end) * (size - 1);
    return roi_begin * (size - 1) + x * (roi_end - roi_begin) * (size - 1) / static_cast<double>(out - 1);
  }
  fail_unsupported("coordinate_transformation_mode '{}'", mode);
}

std::vector<ResampleAxis> resample_axes(const Attrs& attrs, const Dims& dims, const ResampleOperands& operands) {
  const auto rank = static_cast<int64_t>(dims.size());
  std::vector<int64_t> axes;
  if (attrs.has("axes")) {
    for (int64_t axis : attrs.get_ints("axes")) axes.push_back(normalize_axis(axis, rank));
    auto unique = axes;
    std::sort(unique.begin(), unique.end());
    if (std::adjacent_find(unique.begin(), unique.end()) != unique.end())
      fail_input("attribute 'axes' names one twice");
  } else {
    for (int64_t axis = 0; axis < rank; ++axis) axes.push_back(axis);
  }
  const bool by_scale = !operands.scales.empty();
  if (by_scale == !operands.sizes.empty() && !axes.empty()) fail_input("wanted either scales or sizes");

  std::vector<ResampleAxis> result(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) result[i].in = result[i].out = dims[i];

  const bool crop = attrs.get_string("coordinate_transformation_mode") == "tf_crop_and_resize";
  if (crop) {
    need_length(operands.roi.size(), 2 * axes.size(), "roi");
    for (size_t i = 0; i < axes.size(); ++i) {
      ResampleAxis& axis = result[static_cast<size_t>(axes[i])];
      axis.roi_begin = operands.roi[i];
      axis.roi_end = operands.roi[i + axes.size()];
      if (!std::isfinite(axis.roi_begin) || !std::isfinite(axis.roi_end)) fail_input("roi is not finite");
    }
  }

  if (by_scale) {
    need_length(operands.scales.size(), axes.size(), "scales");
    for (size_t i = 0; i < axes.size(); ++i) {
      ResampleAxis& axis = result[static_cast<size_t>(axes[i])];
      axis.scale = operands.scales[i];
      if (!(axis.scale > 0) || !std::isfinite(axis.scale)) fail_input("scale {} is not positive", axis.scale);
      if (axis.in == kUnknown) continue;
      // In float, like everybody else: 10 * 0.7f is 7 there, and a little less in double.
      float size = static_cast<float>(axis.in);
      if (crop) size *= static_cast<float>(axis.roi_end - axis.roi_begin);
      axis.out = extent_of(std::floor(size * static_cast<float>(axis.scale)), static_cast<size_t>(axes[i]));
    }
  } else {
    need_length(operands.sizes.size(), axes.size(), "sizes");
    for (size_t i = 0; i < axes.size(); ++i) {
      ResampleAxis& axis = result[static_cast<size_t>(axes[i])];
      if (operands.sizes[i] < 0) fail_input("size {} is negative", operands.sizes[i]);
      axis.out = operands.sizes[i];
      axis.scale = static_cast<double>(axis.out) / static_cast<double>(axis.in);
    }
    const std::string& policy = attrs.get_string("keep_aspect_ratio_policy");
    if (policy != "stretch") keep_aspect_ratio(policy == "not_smaller", axes, result);
  }
  for (size_t i = 0; i < result.size(); ++i)
    if (result[i].in == 0 && result[i].out > 0) fail_input("axis {} is empty and cannot grow to {}", i, result[i].out);
  return result;
}

}  // namespace tercel::inline tensor

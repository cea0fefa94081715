#include "tensor/slice.h"

#include <algorithm>

#include "base/error.h"

namespace tercel::inline tensor {

SliceRange slice_range(int64_t start, int64_t end, int64_t step, int64_t extent) {
  if (step == 0) fail_input("slice step is 0");
  if (extent == 0) return {0, 0, 0};
  // Going down, positions run from extent - 1 to -1 (just before the first element), but ONNX, unlike NumPy, starts at
  // 0 where the start lies before the first element.
  const int64_t high = step > 0 ? extent : extent - 1;
  const auto clamp = [&](int64_t bound, int64_t low) {
    if (bound < 0) bound += extent;  // cannot overflow: the signs differ
    return std::min(std::max(bound, low), high);
  };
  const int64_t from = clamp(start, 0);
  const int64_t to = clamp(end, step > 0 ? 0 : -1);
  const int64_t distance = step > 0 ? to - from : from - to;
  if (distance <= 0) return {0, 0, 0};
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
  const auto count = static_cast<int64_t>((static_cast<uint64_t>(distance) - 1) / stride) + 1;
  return {from, count > 1 ? step : 0, count};
}

std::vector<int64_t> even_parts(int64_t extent, int64_t parts) {
  const int64_t chunk = extent / parts + (extent % parts != 0);
  std::vector<int64_t> extents(static_cast<size_t>(parts));
  for (int64_t& part : extents) {
    part = std::min(chunk, extent);
    extent -= part;
  }
  return extents;
}

}  // namespace tercel::inline tensor

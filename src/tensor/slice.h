// Parts of an axis. Shape rules and kernels ask the same code, so a result always has the size that the kernel fills.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace tercel::inline tensor {

/// The elements first, first + step, ... (count of them) of an axis.
struct SliceRange {
  int64_t first = 0;
  int64_t step = 1;  ///< 0 where there are fewer than two elements, so that nothing is computed with an absurd step
  int64_t count = 0;
  bool operator==(const SliceRange&) const = default;
};

/// What start:end:step takes from an axis of `extent` elements, by ONNX's rules: negative bounds count from the end,
/// bounds outside are clamped (going down, a start before the first element is the first, where NumPy takes nothing).
/// Takes any int64 values; throws Error for step 0.
SliceRange slice_range(int64_t start, int64_t end, int64_t step, int64_t extent);

/// Extents of `parts` chunks of ceil(extent / parts) elements; the last ones are smaller or empty. parts > 0.
std::vector<int64_t> even_parts(int64_t extent, int64_t parts);

}  // namespace tercel::inline tensor

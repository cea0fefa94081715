// Finding equal slices of a tensor (ONNX Unique). The shape rule needs the count, the kernel the rest.
#pragma once

#include <optional>
#include <vector>

#include "tensor/view.h"

namespace tercel::inline tensor {

/// Slices along an axis, or single elements, grouped by equality (NaN equals NaN and comes last).
struct Distinct {
  std::vector<int64_t> first;    ///< per group: where it first occurs
  std::vector<int64_t> count;    ///< per group: how often it occurs
  std::vector<int64_t> inverse;  ///< per slice: its group
};

/// Groups in ascending order (lexicographic for slices) if sorted, else by first occurrence. No axis: of all elements.
/// Elements may have any alignment.
Distinct find_distinct(const View& x, std::optional<int64_t> axis, bool sorted);

}  // namespace tercel::inline tensor

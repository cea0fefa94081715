// Sizes of tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tercel::inline tensor {

/// Extents, outermost first. kUnknown marks an extent that is not known yet.
using Dims = std::vector<int64_t>;
inline constexpr int64_t kUnknown = -1;

/// Products past this are refused rather than computed with: no tensor of this many elements fits any machine we know.
inline constexpr int64_t kMaxElements = int64_t{1} << 40;

bool all_known(std::span<const int64_t> dims);

/// Product of the extents (1 for a scalar). Throws Error for a negative extent or a product above kMaxElements.
int64_t count_elements(std::span<const int64_t> dims);

/// Elements between neighbours along each axis, for dense row-major order.
Dims row_major_strides(std::span<const int64_t> dims);

/// NumPy broadcasting of two shapes; unknown extents stay unknown unless the other side decides them.
/// Nothing where the shapes do not fit.
std::optional<Dims> broadcast(std::span<const int64_t> a, std::span<const int64_t> b);

/// "1x3x224x224", "?" for unknown extents, "scalar" for rank 0.
std::string to_string(std::span<const int64_t> dims);

/// axis in [-rank, rank) to [0, rank). Throws Error naming both otherwise.
int64_t normalize_axis(int64_t axis, int64_t rank);

}  // namespace tercel::inline tensor

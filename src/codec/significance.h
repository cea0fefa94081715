// All-zero rows and kernels, which structured pruning and training leave behind: one flag each, and the coder skips
// them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/cabac/context.h"
#include "codec/codec.h"

namespace tercel::codec {

/// The rows and columns of a matrix that are not all zero; columns by whole kernels. Never empty.
struct SignificanceMap {
  std::vector<int64_t> rows, columns;  ///< indices, ascending

  static SignificanceMap of(std::span<const int32_t> levels, const MatrixShape& shape);

  bool all(const MatrixShape& shape) const;
  /// The shape of the matrix of these rows and columns. `classes` owns what it points to.
  MatrixShape shape(const MatrixShape& whole, std::vector<uint8_t>& classes) const;
  /// The levels in these rows and columns.
  std::vector<int32_t> gather(std::span<const int32_t> levels, const MatrixShape& whole) const;
};

/// A flag for each of `count` rows, or kernels of `width` columns: is it not all zero? Appends the indices of those
/// that are not to `found`. `known`: the indices, for a writer.
template <typename Bins>
void visit_significance(Bins& bins, int64_t count, int64_t width, const std::vector<int64_t>& known,
                        std::vector<int64_t>& found) {
  BinContext contexts[2];
  bool before = true;
  size_t next = 0;
  for (int64_t i = 0; i < count; ++i) {
    const bool is_known = next < known.size() && known[next] == i * width;
    if (is_known) next += static_cast<size_t>(width);
    before = bins.bit(contexts[before], is_known);
    if (before)
      for (int64_t k = 0; k < width; ++k) found.push_back(i * width + k);
  }
}

/// Rows, then kernels.
template <typename Bins>
SignificanceMap visit_significance(Bins& bins, const MatrixShape& shape, const SignificanceMap& known = {}) {
  const int64_t kernel = shape.kernel_height * shape.kernel_width;
  SignificanceMap map;
  visit_significance(bins, shape.rows, 1, known.rows, map.rows);
  visit_significance(bins, shape.columns / kernel, kernel, known.columns, map.columns);
  return map;
}

}  // namespace tercel::codec

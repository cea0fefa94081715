// Rows and kernels of zeros, which structured pruning and training leave behind: told once, and then not coded.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/cabac/context.h"
#include "codec/codec.h"

namespace tercel::codec {

/// The rows and columns of a matrix that hold anything; columns by whole kernels. Never none of either.
struct Live {
  std::vector<int64_t> rows, columns;  ///< rising

  /// Those that hold a level other than 0.
  static Live of(std::span<const int32_t> levels, const MatrixShape& shape);

  bool all(const MatrixShape& shape) const;
  /// The shape of what is left. `classes` keeps what it points to.
  MatrixShape shape(const MatrixShape& whole, std::vector<uint8_t>& classes) const;
  /// What is left of levels.
  std::vector<int32_t> pick(std::span<const int32_t> levels, const MatrixShape& whole) const;
};

/// A bin for each of `count` rows or kernels, of `width` columns each: is it live? Adds those that are to `live`, whose
/// first entries say so for a writer.
template <typename Bins>
void visit_live(Bins& bins, int64_t count, int64_t width, const std::vector<int64_t>& known,
                std::vector<int64_t>& live) {
  BinContext contexts[2];
  bool before = true;
  size_t next = 0;
  for (int64_t i = 0; i < count; ++i) {
    const bool is_known = next < known.size() && known[next] == i * width;
    if (is_known) next += static_cast<size_t>(width);
    before = bins.bit(contexts[before], is_known);
    if (before)
      for (int64_t k = 0; k < width; ++k) live.push_back(i * width + k);
  }
}

/// Rows, then kernels.
template <typename Bins>
Live visit_live(Bins& bins, const MatrixShape& shape, const Live& known = {}) {
  const int64_t kernel = shape.kernel_height * shape.kernel_width;
  Live live;
  visit_live(bins, shape.rows, 1, known.rows, live.rows);
  visit_live(bins, shape.columns / kernel, kernel, known.columns, live.columns);
  return live;
}

}  // namespace tercel::codec

#include "codec/significance.h"

#include <algorithm>

namespace tercel::codec {

SignificanceMap SignificanceMap::of(std::span<const int32_t> levels, const MatrixShape& shape) {
  const auto columns = static_cast<size_t>(shape.columns);
  const auto kernel = static_cast<size_t>(shape.kernel_height * shape.kernel_width);
  std::vector<uint8_t> row_nonzero(static_cast<size_t>(shape.rows)), kernel_nonzero(columns / kernel);
  for (size_t r = 0; r < row_nonzero.size(); ++r)
    for (size_t c = 0; c < columns; ++c)
      if (levels[r * columns + c] != 0) row_nonzero[r] = kernel_nonzero[c / kernel] = 1;
  row_nonzero[0] |= std::find(row_nonzero.begin(), row_nonzero.end(), 1) == row_nonzero.end();
  kernel_nonzero[0] |= std::find(kernel_nonzero.begin(), kernel_nonzero.end(), 1) == kernel_nonzero.end();
  SignificanceMap map;
  for (size_t r = 0; r < row_nonzero.size(); ++r)
    if (row_nonzero[r] != 0) map.rows.push_back(static_cast<int64_t>(r));
  for (size_t c = 0; c < columns; ++c)
    if (kernel_nonzero[c / kernel] != 0) map.columns.push_back(static_cast<int64_t>(c));
  return map;
}

bool SignificanceMap::all(const MatrixShape& shape) const {
  return static_cast<int64_t>(rows.size()) == shape.rows && static_cast<int64_t>(columns.size()) == shape.columns;
}

MatrixShape SignificanceMap::shape(const MatrixShape& whole, std::vector<uint8_t>& classes) const {
  MatrixShape pruned = whole;
  pruned.rows = static_cast<int64_t>(rows.size());
  pruned.columns = static_cast<int64_t>(columns.size());
  classes.clear();
  if (!whole.column_class.empty())
    for (int64_t c : columns) classes.push_back(whole.column_class[static_cast<size_t>(c)]);
  pruned.column_class = classes;
  return pruned;
}

std::vector<int32_t> SignificanceMap::gather(std::span<const int32_t> levels, const MatrixShape& whole) const {
  std::vector<int32_t> gathered;
  gathered.reserve(rows.size() * columns.size());
  for (int64_t r : rows)
    for (int64_t c : columns) gathered.push_back(levels[static_cast<size_t>(r * whole.columns + c)]);
  return gathered;
}

}  // namespace tercel::codec

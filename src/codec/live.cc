#include "codec/live.h"

#include <algorithm>

namespace tercel::codec {

Live Live::of(std::span<const int32_t> levels, const MatrixShape& shape) {
  const auto columns = static_cast<size_t>(shape.columns);
  const auto kernel = static_cast<size_t>(shape.kernel_height * shape.kernel_width);
  std::vector<uint8_t> row_lives(static_cast<size_t>(shape.rows)), kernel_lives(columns / kernel);
  for (size_t r = 0; r < row_lives.size(); ++r)
    for (size_t c = 0; c < columns; ++c)
      if (levels[r * columns + c] != 0) row_lives[r] = kernel_lives[c / kernel] = 1;
  row_lives[0] |= std::find(row_lives.begin(), row_lives.end(), 1) == row_lives.end();
  kernel_lives[0] |= std::find(kernel_lives.begin(), kernel_lives.end(), 1) == kernel_lives.end();
  Live live;
  for (size_t r = 0; r < row_lives.size(); ++r)
    if (row_lives[r] != 0) live.rows.push_back(static_cast<int64_t>(r));
  for (size_t c = 0; c < columns; ++c)
    if (kernel_lives[c / kernel] != 0) live.columns.push_back(static_cast<int64_t>(c));
  return live;
}

bool Live::all(const MatrixShape& shape) const {
  return static_cast<int64_t>(rows.size()) == shape.rows && static_cast<int64_t>(columns.size()) == shape.columns;
}

MatrixShape Live::shape(const MatrixShape& whole, std::vector<uint8_t>& classes) const {
  MatrixShape left = whole;
  left.rows = static_cast<int64_t>(rows.size());
  left.columns = static_cast<int64_t>(columns.size());
  classes.clear();
  if (!whole.column_class.empty())
    for (int64_t c : columns) classes.push_back(whole.column_class[static_cast<size_t>(c)]);
  left.column_class = classes;
  return left;
}

std::vector<int32_t> Live::pick(std::span<const int32_t> levels, const MatrixShape& whole) const {
  std::vector<int32_t> left;
  left.reserve(rows.size() * columns.size());
  for (int64_t r : rows)
    for (int64_t c : columns) left.push_back(levels[static_cast<size_t>(r * whole.columns + c)]);
  return left;
}

}  // namespace tercel::codec

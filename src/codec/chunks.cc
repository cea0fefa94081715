#include "codec/chunks.h"

#include <algorithm>

#include "base/bits.h"
#include "base/error.h"
#include "codec/trellis.h"
#include "tensor/shape.h"

namespace tercel::codec {

void check_trellis(bool wanted) {
  if (wanted && !kHasTrellis)
    fail_unsupported("trellis-coded quantization: this Tercel was built without it (TERCEL_TRELLIS)");
}

int64_t check_shape(const MatrixShape& shape) {
  const int64_t extents[] = {shape.rows, shape.columns};
  const int64_t elements = count_elements(extents);
  const auto kernel = checked_mul(shape.kernel_height, shape.kernel_width);
  if (shape.kernel_height < 1 || shape.kernel_width < 1 || !kernel || shape.columns % *kernel != 0)
    fail_input("{} columns are no whole number of {}x{} kernels", shape.columns, shape.kernel_height,
               shape.kernel_width);
  if (!shape.column_class.empty()) {
    if (static_cast<int64_t>(shape.column_class.size()) != shape.columns)
      fail_input("{} column classes for {} columns", shape.column_class.size(), shape.columns);
    const auto bad = std::find_if(shape.column_class.begin(), shape.column_class.end(),
                                  [](uint8_t c) { return c >= kColumnClasses; });
    if (bad != shape.column_class.end()) fail_input("column class {} is not below {}", int{*bad}, kColumnClasses);
  }
  check_trellis(shape.trellis);
  return elements;
}

ChunkGrid::ChunkGrid(const MatrixShape& shape, int64_t chunk_weights) : rows_(shape.rows), columns_(shape.columns) {
  if (chunk_weights == 0) chunk_weights = std::max<int64_t>(1, rows_ * columns_);
  const int64_t kernel = shape.kernel_height * shape.kernel_width;
  const int64_t columns = std::max<int64_t>(columns_, 1);
  piece_columns_ = columns;
  if (chunk_weights < columns && !shape.trellis) {
    const int64_t wanted = std::max(kernel, chunk_weights / kernel * kernel);
    // Pieces of even length rather than a short last one.
    piece_columns_ = round_up(div_up(columns, div_up(columns, wanted)), kernel);
  }
  pieces_ = div_up(columns, piece_columns_);
  const int64_t most_rows = std::max<int64_t>(1, chunk_weights / columns);
  const int64_t bands = rows_ == 0 ? 0 : div_up(rows_, most_rows);
  band_rows_ = bands == 0 ? 1 : div_up(rows_, bands);
  bands_ = columns_ == 0 ? 0 : div_up(rows_, band_rows_);
}

Chunk ChunkGrid::operator[](int64_t index) const {
  const int64_t row = index / pieces_ * band_rows_, column = index % pieces_ * piece_columns_;
  return {row, std::min(band_rows_, rows_ - row), column, std::min(piece_columns_, columns_ - column)};
}

}  // namespace tercel::codec

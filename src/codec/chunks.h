// How a matrix is cut into chunks that are coded on their own.
#pragma once

#include <cstdint>

#include "codec/codec.h"

namespace tercel::codec {

/// A rectangle of the matrix.
struct Chunk {
  int64_t row = 0, rows = 0;
  int64_t column = 0, columns = 0;
};

/// Throws Error where the shape contradicts itself; returns rows x columns.
int64_t check_shape(const MatrixShape& shape);

/// Chunks in scan order: bands of whole rows, or, where a row is longer than a chunk, pieces of a row that end with a
/// kernel.
class ChunkGrid {
 public:
  /// The shape has been checked; chunk_weights 0 is one chunk.
  ChunkGrid(const MatrixShape& shape, int64_t chunk_weights);

  int64_t count() const { return bands_ * pieces_; }
  Chunk operator[](int64_t index) const;
  /// Chunks [first_of_row, end_of_row) hold the row.
  int64_t first_of_row(int64_t row) const { return row / band_rows_ * pieces_; }
  int64_t end_of_row(int64_t row) const { return first_of_row(row) + pieces_; }

 private:
  int64_t rows_, columns_;
  int64_t band_rows_, bands_;
  int64_t piece_columns_, pieces_;
};

}  // namespace tercel::codec

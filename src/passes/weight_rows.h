// The arithmetic of passes that rewrite weights: sums and edits of f32 rows, in double. The same bits on every
// instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tercel::inline passes {

/// sums[c] = sum over rows r of factor[r] m[r, c], for columns [begin, end): in the order of rows, whichever columns
/// are asked for. Elements at any address, rows `stride` of them apart.
void sum_rows(const std::byte* m, int64_t stride, int64_t rows, int64_t begin, int64_t end, const double* factor,
              double* sums);

/// sums[r] = sum over columns c of factor[c] m[r, c], for rows [begin, end).
void sum_along_rows(const std::byte* m, int64_t stride, int64_t begin, int64_t end, int64_t columns,
                    const double* factor, double* sums);

/// A matrix that is edited in place.
struct EditedRows {
  float* elements = nullptr;
  int64_t rows = 0, columns = 0, stride = 0;
};

// Each element is rounded once; the numbers are one a row, or one a column.
void scale_rows(const EditedRows& m, const double* factor);
void scale_columns(const EditedRows& m, const double* factor);
void subtract_from_rows(const EditedRows& m, const double* by);
void subtract_from_columns(const EditedRows& m, const double* by);

}  // namespace tercel::inline passes

// The shape rule of matrix products, for their several forms.
#pragma once

#include "graph/ops/rules.h"

namespace tercel::inline graph {

/// NumPy's matmul of two shapes (a ... m k, b ... k n; a rank of 1 stands for a row or a column). Throws Error where
/// they do not fit.
Dims matmul_dims(const Dims& a, const Dims& b);

/// Sets result 0 to the product of operands a and b, unranked where one is unranked.
void infer_matmul_of(InferContext& c, size_t a, size_t b, DType dtype);

/// A zero point or scale is one number, one per row of a (1-D, or ... m 1) or per column of b (1-D, or ... 1 n).
void need_per_row(const InferContext& c, size_t operand, size_t a);
void need_per_column(const InferContext& c, size_t operand, size_t b);

}  // namespace tercel::inline graph

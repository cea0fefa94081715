// A matrix of weights as levels and steps: what quantisers make, files hold and engines read.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/codec.h"

namespace tercel::codec {

/// A matrix as steps and levels: weight(r, c) = level(r, c) * step * class_scale(row_class[r] + column_class[c]).
struct QuantisedMatrix {
  int64_t rows = 0, columns = 0;
  int64_t kernel_height = 1, kernel_width = 1;
  float step = 0;
  std::vector<uint8_t> row_class, column_class;  ///< half octaves; empty: all 0
  std::vector<int32_t> levels;                   ///< row-major
};

/// 2^(c/2).
float class_scale(int c);

/// Steps in a byte, an eighth of an octave apart: 2^(code / 8 - 24). The code is that of the nearest.
float step_of(uint8_t code);
uint8_t step_code(float step);

/// What the coder is told of a matrix. Where rows differ in scale, rows follow each other in one long row, whose
/// columns carry both classes. `classes` keeps what the shape points to.
MatrixShape coding_shape(const QuantisedMatrix& matrix, std::vector<uint8_t>& classes);

/// Row-major floats of a quantised matrix.
std::vector<float> dequantise(const QuantisedMatrix& matrix);

}  // namespace tercel::codec

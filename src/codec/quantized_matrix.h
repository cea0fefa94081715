// A matrix of weights as levels and steps: what quantizers make, files hold and engines read.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "codec/codec.h"
#include "codec/kernel_basis.h"

namespace tercel::codec {

/// What a matrix knows of coefficient i of its kernels, for all kernels together; both in half octaves below
/// kColumnClasses.
struct Coefficient {
  uint8_t step = 0;       ///< class of its step
  uint8_t magnitude = 0;  ///< how large its levels are expected to be
};

/// A matrix as steps and levels: level(r, c) * step * class_scale(row_class[r] + column_class[c]) is weight (r, c).
/// With a basis it is a coefficient of one of the row's kernels, and the class of its step is added. With a trellis the
/// level's place in its row says what it stands for (in_steps).
struct QuantizedMatrix {
  int64_t rows = 0, columns = 0;
  int64_t kernel_height = 1, kernel_width = 1;
  float step = 0;
  std::vector<uint8_t> row_class, column_class;  ///< half octaves; empty: all 0
  std::vector<int32_t> levels;                   ///< row-major
  std::shared_ptr<const KernelBasis>
      basis;                              ///< of size kernel_height * kernel_width; nullptr: levels stand for weights
  std::vector<Coefficient> coefficients;  ///< as many as the basis's size
  bool trellis = false;                   ///< never with row classes

  /// What `step` is multiplied with, as a class.
  int step_class(int64_t row, int64_t column) const;
};

/// 2^(c/2).
float class_scale(int c);

/// Steps in a byte, an eighth of an octave apart: 2^(code / 8 - 24). The code is that of the nearest.
float step_of(uint8_t code);
uint8_t step_code(float step);

/// What the coder is told of a matrix. Where rows differ in scale, rows follow each other in one long row, whose
/// columns carry both classes. With a basis, magnitudes of coefficients are added, and kernels are columns like any
/// others. `classes` keeps what the shape points to.
MatrixShape coding_shape(const QuantizedMatrix& matrix, std::vector<uint8_t>& classes);

/// Levels times steps, row-major: coefficients where the matrix has a basis, else weights.
std::vector<float> scaled_levels(const QuantizedMatrix& matrix);

/// Row-major weights of a quantized matrix.
std::vector<float> dequantize(const QuantizedMatrix& matrix);

}  // namespace tercel::codec

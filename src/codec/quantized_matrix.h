// A matrix of weights as levels and steps: what quantizers make, files hold and engines read.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "codec/codec.h"
#include "codec/kernel_basis.h"

namespace tercel::codec {

/// Parameters of coefficient i of all kernels of a matrix; both in half octaves below
/// kColumnClasses.
struct Coefficient {
  uint8_t step = 0;       ///< class of its step
  uint8_t magnitude = 0;  ///< how large its levels are expected to be
};

/// A matrix as steps and levels: level(r, c) * step * class_scale(row_class[r] + column_class[c]) is weight (r, c).
/// With a basis it is a coefficient of one of the row's kernels, and the class of its step is added. With a trellis the
/// levels before it in its row say which quantizer it belongs to (dequantize_level).
struct QuantizedMatrix {
  int64_t rows = 0, columns = 0;
  int64_t kernel_height = 1, kernel_width = 1;
  float step = 0;
  std::vector<uint8_t> row_class, column_class;  ///< half octaves; empty: all 0
  std::vector<int32_t> levels;                   ///< row-major
  std::shared_ptr<const KernelBasis> basis;      ///< of size kernel_height * kernel_width; nullptr: no transform
  std::vector<Coefficient> coefficients;         ///< as many as the basis's size
  bool trellis = false;                          ///< never with row classes

  /// The class of what `step` is multiplied with.
  int step_class(int64_t row, int64_t column) const;
};

/// 2^(c/2).
float class_scale(int c);

/// Steps in a byte, an eighth of an octave apart: 2^(code / 8 - 24). The code is that of the nearest.
float step_of(uint8_t code);
uint8_t step_code(float step);

/// The shape that the coder sees. Where rows differ in scale, rows follow each other in one long row, whose columns
/// have both classes. With a basis, magnitude classes of the coefficients are added, and kernels count as 1x1.
/// `classes` owns what the shape points to.
MatrixShape coding_shape(const QuantizedMatrix& matrix, std::vector<uint8_t>& classes);

/// Levels times steps, row-major: coefficients where the matrix has a basis, else weights.
std::vector<float> scaled_levels(const QuantizedMatrix& matrix);

/// Row-major weights of a quantized matrix.
std::vector<float> dequantize(const QuantizedMatrix& matrix);

}  // namespace tercel::codec

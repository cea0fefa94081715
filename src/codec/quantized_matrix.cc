#include "codec/quantized_matrix.h"

#include <algorithm>
#include <cmath>

#include "codec/trellis.h"

namespace tercel::codec {

namespace {

/// 2^(n / 8), rounded to nearest: by a table, so that weights do not hang on a machine's exp2.
float exp2_eighths(int n) {
  constexpr float kEighths[] = {1.0f,           1.09050773267f, 1.189207115f,   1.29683955465f,
                                1.41421356237f, 1.54221082541f, 1.68179283051f, 1.83400808641f};
  return std::ldexp(kEighths[n & 7], n >> 3);
}

}  // namespace

float class_scale(int c) { return exp2_eighths(4 * c); }

float step_of(uint8_t code) { return exp2_eighths(code - 8 * 24); }

uint8_t step_code(float step) {
  const float code = (std::log2(std::max(step, 1e-30f)) + 24) * 8;
  return static_cast<uint8_t>(std::lrintf(std::clamp(code, 0.0f, 255.0f)));
}

int QuantizedMatrix::step_class(int64_t row, int64_t column) const {
  return (row_class.empty() ? 0 : row_class[static_cast<size_t>(row)]) +
         (column_class.empty() ? 0 : column_class[static_cast<size_t>(column)]) +
         (basis == nullptr ? 0 : coefficients[static_cast<size_t>(column % basis->size)].step);
}

MatrixShape coding_shape(const QuantizedMatrix& matrix, std::vector<uint8_t>& classes) {
  MatrixShape shape{matrix.rows,         matrix.columns,      matrix.kernel_height,
                    matrix.kernel_width, matrix.column_class, matrix.trellis};
  if (matrix.basis != nullptr) shape.kernel_height = shape.kernel_width = 1;  // coefficients are no neighbours
  else if (matrix.row_class.empty()) return shape;
  if (!matrix.row_class.empty()) {
    shape.rows = 1;
    shape.columns = matrix.rows * matrix.columns;
  }
  classes.clear();
  for (int64_t i = 0; i < shape.columns; ++i) {
    const auto r = static_cast<size_t>(i / matrix.columns), c = static_cast<size_t>(i % matrix.columns);
    int sum = matrix.row_class.empty() ? 0 : matrix.row_class[r];
    if (!matrix.column_class.empty()) sum += matrix.column_class[c];
    if (matrix.basis != nullptr) sum += matrix.coefficients[c % matrix.coefficients.size()].magnitude;
    classes.push_back(static_cast<uint8_t>(std::min(sum, kColumnClasses - 1)));
  }
  shape.column_class = classes;
  return shape;
}

std::vector<float> scaled_levels(const QuantizedMatrix& matrix) {
  std::vector<float> scaled(matrix.levels.size());
  for (int64_t r = 0; r < matrix.rows; ++r) {
    TrellisState trellis;
    for (int64_t c = 0; c < matrix.columns; ++c) {
      const auto i = static_cast<size_t>(r * matrix.columns + c);
      const int quantizer = matrix.trellis ? trellis.quantizer() : 0;
      scaled[i] = dequantize_level(matrix.levels[i], quantizer) * (matrix.step * class_scale(matrix.step_class(r, c)));
      trellis.advance(matrix.levels[i]);
    }
  }
  return scaled;
}

std::vector<float> dequantize(const QuantizedMatrix& matrix) {
  std::vector<float> weights = scaled_levels(matrix);
  if (matrix.basis != nullptr) inverse_transform(*matrix.basis, weights);
  return weights;
}

}  // namespace tercel::codec

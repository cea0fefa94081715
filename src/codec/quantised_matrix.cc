#include "codec/quantised_matrix.h"

#include <algorithm>
#include <cmath>

namespace tercel::codec {

float class_scale(int c) { return std::exp2(0.5f * static_cast<float>(c)); }

float step_of(uint8_t code) { return std::exp2(static_cast<float>(code) / 8 - 24); }

uint8_t step_code(float step) {
  const float code = (std::log2(std::max(step, 1e-30f)) + 24) * 8;
  return static_cast<uint8_t>(std::lrintf(std::clamp(code, 0.0f, 255.0f)));
}

MatrixShape coding_shape(const QuantisedMatrix& matrix, std::vector<uint8_t>& classes) {
  MatrixShape shape{matrix.rows, matrix.columns, matrix.kernel_height, matrix.kernel_width, matrix.column_class};
  if (matrix.row_class.empty()) return shape;
  classes.clear();
  for (int64_t r = 0; r < matrix.rows; ++r)
    for (int64_t c = 0; c < matrix.columns; ++c) {
      const int both = matrix.row_class[static_cast<size_t>(r)] +
                       (matrix.column_class.empty() ? 0 : matrix.column_class[static_cast<size_t>(c)]);
      classes.push_back(static_cast<uint8_t>(std::min(both, kColumnClasses - 1)));
    }
  shape.rows = 1;
  shape.columns = matrix.rows * matrix.columns;
  shape.column_class = classes;
  return shape;
}

std::vector<float> dequantise(const QuantisedMatrix& matrix) {
  std::vector<float> weights(matrix.levels.size());
  for (int64_t r = 0; r < matrix.rows; ++r)
    for (int64_t c = 0; c < matrix.columns; ++c) {
      const auto i = static_cast<size_t>(r * matrix.columns + c);
      const int both = (matrix.row_class.empty() ? 0 : matrix.row_class[static_cast<size_t>(r)]) +
                       (matrix.column_class.empty() ? 0 : matrix.column_class[static_cast<size_t>(c)]);
      weights[i] = static_cast<float>(matrix.levels[i]) * (matrix.step * class_scale(both));
    }
  return weights;
}

}  // namespace tercel::codec

// Rows of weights -> levels: the two algorithms of quantize().
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/quantized_matrix.h"
#include "codec/trellis.h"
#include "quant/curvature.h"

namespace tercel::inline quant {

/// What decisions cost.
struct Price {
  double distortion = 0;  ///< in units of the curvature
  double bits = 0;
};

/// Parameters of the decision, common to all rows of a matrix. What it points to outlives it.
struct RowTask {
  const codec::QuantizedMatrix& matrix;  ///< all but its levels
  const Curvature& curvature;
  std::span<const float> weights;
  double bit = 0;                   ///< what one costs, in units of weighted squared error
  std::vector<float> column_scale;  ///< of steps

  float row_step(int64_t row) const {
    return matrix.row_class.empty() ? matrix.step
                                    : matrix.step * codec::class_scale(matrix.row_class[static_cast<size_t>(row)]);
  }
  const std::vector<CurvatureBlock>& blocks(int64_t row) const { return curvature.blocks(row, matrix.rows); }
};

/// Rows first .. last - 1 into `levels` (of the whole matrix); `rate` prices them and adapts to them. Greedy: each
/// level is the best given the columns before it.
Price decide_rows(const RowTask& task, int64_t first, int64_t last, codec::RateModel& rate, int32_t* levels);

/// The same with a trellis: each row is its best path (Viterbi). Each path has its own error feedback.
Price decide_rows_by_trellis(const RowTask& task, int64_t first, int64_t last, codec::RateModel& rate, int32_t* levels);

/// The level whose value is nearest to x steps.
inline int32_t nearest_level(float x, int quantizer = 0) {
  const float bound = 1e9f, magnitude = std::min(std::abs(x), bound);
  if (quantizer != 0 && magnitude < 0.25f) return 0;
  const auto level = static_cast<int32_t>(std::lrintf(quantizer == 0 ? magnitude : std::max(magnitude + 0.5f, 1.0f)));
  return x < 0 ? -level : level;
}

}  // namespace tercel::inline quant

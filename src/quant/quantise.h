// Weights -> levels, minding both the error at the layer's output and the bits that the levels cost.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/codec.h"
#include "quant/curvature.h"

namespace tercel {

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

/// What the coder is told of a matrix. Where rows differ in scale, rows follow each other in one long row, whose
/// columns carry both classes. `classes` keeps what the shape points to.
codec::MatrixShape coding_shape(const QuantisedMatrix& matrix, std::vector<uint8_t>& classes);

struct QuantiseOptions {
  float step = 0;            ///< of the finest column, > 0
  float lambda = 0.1f;       ///< price of a bit, in squared steps: 2 ln2 / 12 = 0.116 is the slope of fine quantisation
  bool column_steps = true;  ///< coarser steps for columns whose errors hurt less (classes are sent)
};

/// What quantising did to the layer, in units of the curvature: mean square of the output's error summed over rows.
struct QuantiseResult {
  QuantisedMatrix matrix;
  double distortion = 0;
  double bits = 0;  ///< by the coder's own rate model
};

/// `weights`: rows x columns. Each row is decided column by column: level = argmin of weighted squared error + lambda *
/// bits, the error so far carried forward (CERWU, arXiv 2505.18758, without its rate curvature; steps per column
/// follow the curvature's weights, so that all columns add the same error per bit).
/// The same answer with any number of threads.
QuantiseResult quantise(std::span<const float> weights, int64_t rows, int64_t columns, int64_t kernel_height,
                        int64_t kernel_width, const Curvature& curvature, const QuantiseOptions& options);

/// Row-major floats of a quantised matrix.
std::vector<float> dequantise(const QuantisedMatrix& matrix);

/// What must be added to each row's bias so that the mean of its output stays: (weights - quantised) E[x].
std::vector<float> mean_error(std::span<const float> weights, const QuantisedMatrix& matrix,
                              const Curvature& curvature);

}  // namespace tercel

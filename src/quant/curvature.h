// Moments in the form that sequential quantization needs.
#pragma once

#include <vector>

#include "quant/moments.h"

namespace tercel::inline quant {

/// Sum of a[i] * b[i]; eight partial sums, so that it vectorizes without reordering by the compiler.
inline float dot(const float* a, const float* b, int64_t n) {
  float sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) sums[k] += a[i + k] * b[i + k];
  float sum = 0;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (float s : sums) sum += s;
  return sum;
}

/// The error that a change e of one row of weights makes at its output, E[(e x)^2] = e' H e, as a sum of squares in the
/// order of the columns: with H = U U', U upper triangular,
///   e' H e = sum_j weight[j] * (e_j + sum_{i<j} feedback[j, i] e_i)^2,   weight[j] = U_jj^2, feedback[j, i] = U_ij /
///   U_jj.
/// When column j is quantized, it compensates the errors of the columns before it (error feedback: GPTQ,
/// Frantar et al. 2023, arXiv 2210.17323; CERWU, arXiv 2505.18758).
struct CurvatureBlock {
  int64_t first = 0, columns = 0;
  std::vector<float> weight;
  std::vector<float> feedback;  ///< columns x columns, row j holds i < j

  /// What is added to column j for the errors of the columns before it, those of this block.
  float compensation(int64_t j, const float* errors) const {
    return feedback.empty() ? 0 : dot(&feedback[static_cast<size_t>(j * columns)], errors, j);
  }
};

struct Curvature {
  std::vector<std::vector<CurvatureBlock>> groups;
  std::vector<std::vector<float>> mean;  ///< E[x] of each group's columns; empty without data

  bool measured() const { return !mean.empty(); }
  /// Of a row of weights, of so many: each group has as many rows.
  const std::vector<CurvatureBlock>& blocks(int64_t row, int64_t rows) const {
    return groups[static_cast<size_t>(row * static_cast<int64_t>(groups.size()) / rows)];
  }
  int64_t columns() const { return groups[0].back().first + groups[0].back().columns; }
};

/// `centred`: H is the covariance, because a bias corrects the error of the mean (mean_error). `damping` times the
/// mean of the diagonal is added to it (0.01: GPTQ's).
Curvature factorize(const Moments& moments, bool centred, double damping = 0.01);

/// Without data: all columns weigh the same, and there is no error feedback.
Curvature flat_curvature(int64_t groups, int64_t columns);

}  // namespace tercel::inline quant

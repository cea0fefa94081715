// Weights -> levels, minding both the error at the layer's output and the bits that the levels cost.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "codec/quantized_matrix.h"
#include "quant/curvature.h"

namespace tercel::inline quant {

struct WeightQuantization {
  float step = 0;        ///< of the finest column, > 0
  float lambda = 0.15f;  ///< price of a bit, in squared steps: 2 ln2 / 12 = 0.116 is the slope of fine quantization
  bool per_channel_steps = true;  ///< coarser steps for columns (of grouped convolutions: rows) of less sensitivity
  std::shared_ptr<const codec::KernelBasis> basis;  ///< that the weights are coefficients in
  bool trellis = false;  ///< dependent quantization, except where rows have classes; `step` is of each quantizer
};

/// Distortion in units of the curvature: mean square of the output's error, summed over rows.
struct QuantizedWeights {
  codec::QuantizedMatrix matrix;
  double distortion = 0;
  double bits = 0;  ///< by the coder's own rate model
};

/// `weights`: rows x columns. Each row is decided column by column: level = argmin of weighted squared error + lambda *
/// bits, with error feedback to the columns behind it (CERWU, arXiv 2505.18758, without its rate curvature; per-channel
/// steps follow the curvature's weights, so that all columns add the same error per bit). With a trellis the sum is
/// minimized over the whole row by the Viterbi algorithm (quant/decide.h). The same answer with any number of threads.
/// Throws Error for a trellis where this build has none.
QuantizedWeights quantize(std::span<const float> weights, int64_t rows, int64_t columns, int64_t kernel_height,
                          int64_t kernel_width, const Curvature& curvature, const WeightQuantization& options);

/// Mean of log2(weight) over all columns: converts a step into its error in the answers.
double mean_log2_weight(const Curvature& curvature);

/// Bias correction, one value a row, that keeps the mean of the output: (weights - quantized) E[x]. With a
/// basis, `weights` are coefficients, and the curvature is of inputs in it.
std::vector<float> mean_error(std::span<const float> weights, const codec::QuantizedMatrix& matrix,
                              const Curvature& curvature);

}  // namespace tercel::inline quant

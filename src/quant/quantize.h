// Weights -> levels, minding both the error at the layer's output and the bits that the levels cost.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "codec/quantized_matrix.h"
#include "quant/curvature.h"

namespace tercel {

struct QuantizeOptions {
  float step = 0;         ///< of the finest column, > 0
  float lambda = 0.15f;   ///< price of a bit, in squared steps: 2 ln2 / 12 = 0.116 is the slope of fine quantization
  bool own_steps = true;  ///< coarser steps for columns (of grouped convolutions: rows) that hurt less
  std::shared_ptr<const codec::KernelBasis> basis;  ///< that the weights are coefficients in
  bool trellis = false;  ///< dependent quantizers, but where rows have classes; `step` is of each of the two
};

/// What quantizing did to the layer, in units of the curvature: mean square of the output's error summed over rows.
struct QuantizeResult {
  codec::QuantizedMatrix matrix;
  double distortion = 0;
  double bits = 0;  ///< by the coder's own rate model
};

/// `weights`: rows x columns. Each row is decided column by column: level = argmin of weighted squared error + lambda *
/// bits, the error so far carried forward (CERWU, arXiv 2505.18758, without its rate curvature; steps of columns follow
/// the curvature's weights, so that all add the same error per bit). With a trellis the same sum is least along the
/// whole row, over the trellis's paths (quant/decide.h). The same answer with any number of threads. Throws Error for
/// a trellis where this build has none.
QuantizeResult quantize(std::span<const float> weights, int64_t rows, int64_t columns, int64_t kernel_height,
                        int64_t kernel_width, const Curvature& curvature, const QuantizeOptions& options);

/// Mean of log2(weight) over all columns: what turns a step into the harm it does.
double mean_log2_weight(const Curvature& curvature);

/// What must be added to each row's bias so that the mean of its output stays: (weights - quantized) E[x]. With a
/// basis, `weights` are coefficients, and the curvature is of inputs in it.
std::vector<float> mean_error(std::span<const float> weights, const codec::QuantizedMatrix& matrix,
                              const Curvature& curvature);

}  // namespace tercel

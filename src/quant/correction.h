// Error compensation: weights and bias of a layer move so that its output comes back to what it was before the layers
// in front of it were quantized (sequential reconstruction, bias correction).
#pragma once

#include <string>
#include <vector>

#include "quant/curvature.h"
#include "quant/gradient_rule.h"
#include "quant/linear_site.h"
#include "quant/moments.h"
#include "tercel/array.h"

namespace tercel::inline quant {

/// What is added to a layer's weights (rows x columns) and bias (rows; empty where it has none).
struct Correction {
  std::vector<float> weights, bias;
};

/// The value that a layer reconstructs: its output with the bias, and where the output is only added to a residual
/// stream, that sum (so that the layer compensates the error of the stream too).
struct Target {
  std::string value;
  bool joins_stream = false;
};
Target target_of(const LinearSite& site, const Graph& graph);

/// With the layers before it quantized, a layer reads x and gives `got` where the reference network gives `wanted`. The
/// correction C, c least in  sum_t w_t |wanted_t - got_t - C x_t - c|^2  (+ the curvature's damping):
/// C = D H^-1 with D the weighted covariance of wanted - got and x, and H the curvature's, measured before anything was
/// quantized. (Asymmetric calibration: GPTAQ, arXiv 2504.02692; Qronos, arXiv 2505.11695; here with Fisher weights
/// and the residual stream.)
class CorrectionFit {
 public:
  /// For layers of one group whose columns lie in one block.
  static bool can(const LinearSite& site, const Moments& moments, const Curvature& curvature);

  CorrectionFit(const LinearSite& site, const Moments& moments);
  /// `k`: which of the inputs that the moments were measured on.
  void add(size_t k, const Array& x, const Array& wanted, const Array& got, Isa isa, Workspace& workspace);
  /// Of all inputs, of which each fit has a share. The correction is shrunk by cross-validation: by the factor that is
  /// best, on the mean, for one share when the others were fitted. Few inputs overfit.
  static Correction fit(const std::vector<CorrectionFit>& shares, const Curvature& curvature);

 private:
  void add(const CorrectionFit& other);
  std::vector<float> covariance() const;

  const LinearSite* site_;
  const Moments* moments_;
  double weight_ = 0;
  std::vector<float> product_;               // sum of w delta x', rows x columns
  std::vector<double> delta_mean_, x_mean_;  // sums of w delta, w x
  std::vector<float> x_, delta_;             // of one input
};

/// For layers that CorrectionFit cannot do: a factor on the whole layer and a bias correction, so that its outputs have
/// the standard deviation and the mean that they had, over all positions with equal weights and with the layer itself
/// quantized: Fisher weights are concentrated on few positions at times, and a bias that fits these is wrong for the
/// others. (Nagel et al. 2019, arXiv 1906.04721; here with the inputs that the quantized network gives.)
class OutputFit {
 public:
  explicit OutputFit(const LinearSite& site) : site_(&site), rows_(static_cast<size_t>(site.rows)) {}
  void add(const Array& wanted, const Array& got);

  struct Result {
    double factor = 1;
    std::vector<float> bias;  ///< to be added, one a row, once the factor is on what is not bias
  };
  /// `own`: the bias that `got` holds, one a row. Empty: `got` is more than the layer's own output, no factor. The
  /// correction of means is shrunk as CorrectionFit's.
  static Result fit(const std::vector<OutputFit>& shares, const std::vector<float>& own);

 private:
  struct Row {
    double wanted = 0, got = 0, wanted_square = 0, got_square = 0;  ///< sums over positions
    void add(const Row& other);
  };

  const LinearSite* site_;
  double positions_ = 0;
  std::vector<Row> rows_;
};

}  // namespace tercel::inline quant

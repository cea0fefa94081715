// Layers that make good, as far as it can be told from what they read, what was lost before them.
#pragma once

#include <string>
#include <vector>

#include "quant/curvature.h"
#include "quant/gradient_rule.h"
#include "quant/linear_site.h"
#include "quant/moments.h"
#include "tercel/array.h"

namespace tercel {

/// What is added to a layer's weights (rows x columns) and bias (rows; empty where it has none).
struct Correction {
  std::vector<float> weights, bias;
};

/// The value a layer answers for: its output, with the bias and, where the output only joins a stream, the stream
/// (so that what writes to a residual stream takes up what the stream has lost).
std::string target_of(const LinearSite& site, const Graph& graph);

/// With the layers before it quantised, a layer reads x and makes `got` of it where the network as it was made
/// `wanted`. The correction C, c least in  sum_t w_t |wanted_t - got_t - C x_t - c|^2  (+ the curvature's damping):
/// C = D H^-1 with D the weighted covariance of wanted - got and x, and H the curvature's, measured before anything was
/// quantised. (Asymmetric calibration: GPTAQ, arXiv 2504.02692; Qronos, arXiv 2505.11695; here with Fisher weights
/// and the residual stream.)
class CorrectionFit {
 public:
  /// For layers of one group whose columns lie in one block.
  static bool can(const LinearSite& site, const Moments& moments, const Curvature& curvature);

  CorrectionFit(const LinearSite& site, const Moments& moments);
  /// `k`: which of the inputs that the moments were measured on.
  void add(size_t k, const Array& x, const Array& wanted, const Array& got, Isa isa, Workspace& workspace);
  /// Of all inputs, which the fits have shared out. The correction is shrunk to where, on the mean, what three shares
  /// say of the fourth is worth most: few inputs may show losses that others do not have.
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

}  // namespace tercel

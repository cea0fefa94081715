// Affine maps that approximate a layer normalization on the rows of the calibration pictures.
#pragma once

#include <span>

#include "tercel/static_norm.h"
#include "tune/norm_sites.h"

namespace tercel::inline tune {

/// Moments of pairs of rows: x, as the products will read it, and h, what the norm of the original network gives for
/// the same token: h = (x0 - mean) / sqrt(variance + epsilon).
class NormMoments {
 public:
  /// `row_scale`: for position_ridge, factors on the rows x, one per row of an input.
  NormMoments(const NormSite& site, NormEstimator estimator, std::vector<double> row_scale = {});

  /// The rows of one input: x and x0, each rows x channels.
  void add(std::span<const float> x, std::span<const float> x0);

  /// The map that the estimator makes of these moments:
  ///   scalar           s P x,                s = sum <P x, h> / sum |P x|^2
  ///   position         s_t P x               the same for each row of an input
  ///   channel          (x - m) / sqrt(v + epsilon), moving mean and variance per channel
  ///   affine           a x + c per channel, least squares
  ///   ridge            x M + c, least squares with lambda = 1e-4 of the mean variance of x
  ///   position_ridge   s_t x M + c: ridge on rows scaled by what `position` gave
  /// with P = I - 11'/n.
  NormMap fit() const;
  /// Mean of |h - map|^2 over mean of |h|^2, on these very rows.
  double residual(const NormMap& map) const;
  /// Standard deviation of sigma over the tokens of the original network, by its mean: 0 for a norm that is fixed
  /// already.
  double spread() const;
  /// What `position` finds for the rows as they came.
  std::vector<double> position_scales() const;

 private:
  NormEstimator estimator_;
  int64_t d_;
  double epsilon_;
  std::vector<double> row_scale_;
  double count_ = 0, sigma_ = 0, sigma2_ = 0, h2_ = 0;
  std::vector<double> xh_, xx_;  // per row of an input: sum of <P x, h>, |P x|^2
  Eigen::VectorXd sum_x_, sum_h_;
  Eigen::MatrixXd x_x_, x_h_;  // sum of x x', x h'
};

}  // namespace tercel::inline tune

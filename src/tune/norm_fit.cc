#include "tune/norm_fit.h"

#include <cmath>

#include <Eigen/Cholesky>

#include "base/error.h"

namespace tercel::inline tune {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kRidge = 1e-4;  // of the mean variance of a channel
constexpr double kTiny = 1e-30;

Rows rows_of(std::span<const float> elements, int64_t d) {
  using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Floats>(elements.data(), static_cast<int64_t>(elements.size()) / d, d).cast<double>();
}

MatrixXd centring(int64_t d) { return MatrixXd::Identity(d, d) - MatrixXd::Constant(d, d, 1 / static_cast<double>(d)); }

double ratio(double a, double b) { return b > kTiny ? a / b : 0; }

double sum(const std::vector<double>& values) {
  double total = 0;
  for (double v : values) total += v;
  return total;
}

}  // namespace

NormMoments::NormMoments(const NormSite& site, NormEstimator estimator, std::vector<double> row_scale)
    : estimator_(estimator),
      d_(site.channels),
      epsilon_(static_cast<double>(site.epsilon)),
      row_scale_(std::move(row_scale)),
      sum_x_(VectorXd::Zero(d_)),
      sum_h_(VectorXd::Zero(d_)),
      x_x_(MatrixXd::Zero(d_, d_)),
      x_h_(MatrixXd::Zero(d_, d_)) {}

void NormMoments::add(std::span<const float> x, std::span<const float> x0) {
  TERCEL_CHECK(x.size() == x0.size() && x.size() % static_cast<size_t>(d_) == 0);
  Rows rows = rows_of(x, d_), h = rows_of(x0, d_);
  if (xh_.empty()) xh_.resize(static_cast<size_t>(rows.rows())), xx_.resize(xh_.size());
  TERCEL_CHECK(xh_.size() == static_cast<size_t>(rows.rows()));
  for (int64_t t = 0; t < rows.rows(); ++t) {
    h.row(t).array() -= h.row(t).mean();
    const double sigma = std::sqrt(h.row(t).squaredNorm() / static_cast<double>(d_) + epsilon_);
    h.row(t) /= sigma;
    sigma_ += sigma;
    sigma2_ += sigma * sigma;
    const auto at = static_cast<size_t>(t);
    // h has mean 0, so <P x, h> = <x, h>.
    xh_[at] += rows.row(t).dot(h.row(t));
    xx_[at] += rows.row(t).squaredNorm() - static_cast<double>(d_) * std::pow(rows.row(t).mean(), 2);
    if (!row_scale_.empty()) rows.row(t) *= row_scale_.at(at);
  }
  count_ += static_cast<double>(rows.rows());
  h2_ += h.squaredNorm();
  if (estimator_ == NormEstimator::position) return;
  sum_x_ += rows.colwise().sum().transpose();
  sum_h_ += h.colwise().sum().transpose();
  x_x_.noalias() += rows.transpose() * rows;
  x_h_.noalias() += rows.transpose() * h;
}

std::vector<double> NormMoments::position_scales() const {
  std::vector<double> scales;
  for (size_t t = 0; t < xh_.size(); ++t) scales.push_back(ratio(xh_[t], xx_[t]));
  return scales;
}

NormMap NormMoments::fit() const {
  NormMap map{{}, centring(d_), VectorXd::Zero(d_)};
  const VectorXd mean_x = sum_x_ / count_, mean_h = sum_h_ / count_;
  const VectorXd variance = (x_x_.diagonal() / count_ - mean_x.cwiseAbs2()).cwiseMax(0);
  VectorXd factor(d_);
  switch (estimator_) {
    case NormEstimator::scalar: map.matrix *= ratio(sum(xh_), sum(xx_)); return map;
    case NormEstimator::position: map.row_scale = position_scales(); return map;
    case NormEstimator::channel:
      factor = (variance.array() + epsilon_).rsqrt();
      map.matrix = factor.asDiagonal();
      map.shift = -factor.cwiseProduct(mean_x);
      return map;
    case NormEstimator::affine: {
      const VectorXd covariance = x_h_.diagonal() / count_ - mean_x.cwiseProduct(mean_h);
      for (int64_t c = 0; c < d_; ++c) factor(c) = ratio(covariance(c), variance(c));
      map.matrix = factor.asDiagonal();
      map.shift = mean_h - factor.cwiseProduct(mean_x);
      return map;
    }
    case NormEstimator::ridge:
    case NormEstimator::position_ridge: {
      map.row_scale = row_scale_;
      MatrixXd spread = x_x_ / count_ - mean_x * mean_x.transpose();
      spread.diagonal().array() += kRidge * spread.diagonal().mean() + kTiny;
      const MatrixXd together = x_h_ / count_ - mean_x * mean_h.transpose();
      map.matrix = spread.llt().solve(together);
      map.shift = mean_h - map.matrix.transpose() * mean_x;
      return map;
    }
  }
  return map;
}

double NormMoments::residual(const NormMap& map) const {
  if (estimator_ == NormEstimator::position) {
    double explained = 0;
    for (size_t t = 0; t < xh_.size(); ++t) explained += ratio(xh_[t] * xh_[t], xx_[t]);
    return ratio(h2_ - explained, h2_);
  }
  const double cross = map.matrix.cwiseProduct(x_h_).sum() + map.shift.dot(sum_h_);
  const double square = map.matrix.cwiseProduct(x_x_ * map.matrix).sum() +
                        2 * map.shift.dot(map.matrix.transpose() * sum_x_) + count_ * map.shift.squaredNorm();
  return std::max(0.0, ratio(h2_ - 2 * cross + square, h2_));
}

double NormMoments::spread() const {
  const double mean = sigma_ / count_;
  return ratio(std::sqrt(std::max(0.0, sigma2_ / count_ - mean * mean)), mean);
}

}  // namespace tercel::inline tune

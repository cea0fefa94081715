#include "fractional_filter.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <Eigen/Cholesky>
#include <Eigen/SVD>

#include "base/check.h"
#include "base/error.h"

namespace tercel {
namespace {

using Eigen::VectorXd;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kStep = 0.5;  // pixels between the terms of a derivative
constexpr int kLeastTerms = 15;
constexpr int kShape = FractionalGrid::kShape;
constexpr int kWidths = 6;           // that fits start from
constexpr double kLeastSigma = 0.3;  // narrower, pixels fall through

using Shape = std::array<double, kShape>;  // y.centre, y.order, x.centre, x.order, ln y.sigma, ln x.sigma

FractionalAxis y_of(const Shape& s) { return {s[0], std::exp(s[4]), s[1]}; }
FractionalAxis x_of(const Shape& s) { return {s[2], std::exp(s[5]), s[3]}; }

Shape shape_of(const FractionalFilter& f) {
  return {f.y.centre, f.y.order, f.x.centre, f.x.order, std::log(f.y.sigma), std::log(f.x.sigma)};
}

int terms_for(int64_t length) { return std::max(kLeastTerms, static_cast<int>(static_cast<double>(length) / kStep)); }

/// A profile and its derivatives.
struct Profile {
  VectorXd value, by_centre, by_order, by_log_sigma;
};

Profile profile_with_derivatives(const FractionalAxis& axis, int64_t length, bool derivatives) {
  const auto n = static_cast<Eigen::Index>(length);
  Profile p{VectorXd::Zero(n), VectorXd::Zero(n), VectorXd::Zero(n), VectorXd::Zero(n)};
  const double scale = std::pow(kStep, -axis.order), variance = axis.sigma * axis.sigma;
  double c = scale, dc = 0;  // the coefficient and its derivative by the order
  for (int term = 0; term < terms_for(length); ++term) {
    if (term > 0) {
      dc = (dc * (term - 1 - axis.order) - c) / term;
      c *= (term - 1 - axis.order) / term;
    }
    for (Eigen::Index i = 0; i < n; ++i) {
      const double u = static_cast<double>(i) - axis.centre - term * kStep;
      const double gauss = std::exp(-u * u / (2 * variance));
      p.value[i] += c * gauss;
      if (!derivatives) continue;
      p.by_centre[i] += c * gauss * u / variance;
      p.by_log_sigma[i] += c * gauss * u * u / variance;
      p.by_order[i] += dc * gauss;
    }
  }
  if (derivatives) p.by_order -= std::log(kStep) * p.value;
  return p;
}

VectorXd profile(const FractionalAxis& axis, int64_t length) {
  return profile_with_derivatives(axis, length, false).value;
}

/// Of norm 1; zeros stay zeros.
VectorXd unit(VectorXd v) {
  const double norm = v.norm();
  return norm > 1e-100 ? VectorXd(v / norm) : VectorXd::Zero(v.size());
}

Matrix matrix_of(std::span<const float> kernel, int64_t height, int64_t width) {
  TERCEL_CHECK(height > 0 && width > 0 && static_cast<int64_t>(kernel.size()) == height * width);
  using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Matrix m = Eigen::Map<const Floats>(kernel.data(), height, width).cast<double>();
  if (!m.allFinite()) fail_input("a kernel holds values that are not finite");
  return m;
}

/// Column i is the derivative by the i-th of gain, shape[0 .. 5].
Matrix jacobian(double gain, const Shape& shape, int64_t height, int64_t width) {
  const Profile y = profile_with_derivatives(y_of(shape), height, true);
  const Profile x = profile_with_derivatives(x_of(shape), width, true);
  Matrix j(height * width, 1 + kShape);
  const auto put = [&](Eigen::Index column, double factor, const VectorXd& a, const VectorXd& b) {
    const Matrix product = factor * a * b.transpose();
    j.col(column) = Eigen::Map<const VectorXd>(product.data(), product.size());
  };
  put(0, 1, y.value, x.value);
  put(1, gain, y.by_centre, x.value);
  put(2, gain, y.by_order, x.value);
  put(3, gain, y.value, x.by_centre);
  put(4, gain, y.value, x.by_order);
  put(5, gain, y.by_log_sigma, x.value);
  put(6, gain, y.value, x.by_log_sigma);
  return j;
}

/// The gain of least error, and that error.
struct Fit {
  Shape shape{};
  double gain = 0, error = std::numeric_limits<double>::infinity();
};

Fit with_best_gain(const Matrix& kernel, const Shape& shape) {
  const VectorXd y = profile(y_of(shape), kernel.rows()), x = profile(x_of(shape), kernel.cols());
  const double power = y.squaredNorm() * x.squaredNorm();
  Fit fit{shape, power > 1e-100 ? y.dot(kernel * x) / power : 0, 0};
  fit.error = (kernel - fit.gain * y * x.transpose()).squaredNorm();
  return fit;
}

/// Levenberg-Marquardt; what stands at the edge of the box and pushes outwards rests. The gain is solved for anew after
/// every step, which saves steps.
Fit refine(const Matrix& kernel, const FractionalGrid& grid, Fit fit) {
  const Shape low = grid.low(), high = grid.high();
  const double enough = 1e-12 * kernel.squaredNorm();
  double damping = 1e-2;
  for (int round = 0; round < 60 && fit.error > enough && damping < 1e8; ++round) {
    Matrix j = jacobian(fit.gain, fit.shape, kernel.rows(), kernel.cols());
    const VectorXd residual = Eigen::Map<const VectorXd>(kernel.data(), kernel.size()) - fit.gain * j.col(0);
    if (grid.sigmas == Sigmas::one) {
      j.col(5) += j.col(6);
      j.col(6).setZero();
    }
    const VectorXd downhill = j.transpose() * residual;
    for (size_t i = 0; i < kShape; ++i) {
      const auto column = static_cast<Eigen::Index>(i + 1);
      if ((fit.shape[i] <= low[i] && downhill[column] < 0) || (fit.shape[i] >= high[i] && downhill[column] > 0))
        j.col(column).setZero();
    }
    Matrix normal = j.transpose() * j;
    const double floor = 1e-12 * normal.trace() + 1e-100;
    for (; damping < 1e8; damping *= 4) {
      Matrix damped = normal;
      damped.diagonal() += damping * normal.diagonal() + VectorXd::Constant(normal.rows(), floor);
      const VectorXd step = damped.ldlt().solve(j.transpose() * residual);
      Shape next = fit.shape;
      for (size_t i = 0; i < kShape; ++i)
        next[i] = std::clamp(next[i] + step[static_cast<Eigen::Index>(i + 1)], low[i], high[i]);
      if (grid.sigmas == Sigmas::one) next[5] = next[4];
      const Fit trial = with_best_gain(kernel, next);
      if (!(trial.error < fit.error)) continue;
      const bool settled = fit.error - trial.error < 1e-7 * fit.error;
      fit = trial;
      damping = std::max(damping / 8, 1e-9);
      if (settled) return fit;
      break;
    }
  }
  return fit;
}

/// The pair of profiles from a grid of centres, orders and these widths that leaves least.
Fit best_start(const Matrix& kernel, std::span<const double> widths) {
  const auto profiles = [&](int64_t length) {
    std::vector<FractionalAxis> axes;
    const int centres = static_cast<int>(std::min<int64_t>(2 * length - 1, 17));
    for (int c = 0; c < centres; ++c)
      for (double order : {0.0, 0.5, 1.0, 1.5, 2.0})
        for (double sigma : widths)
          axes.push_back({static_cast<double>(length - 1) * c / std::max(centres - 1, 1), sigma, order});
    Matrix units(static_cast<Eigen::Index>(axes.size()), length);
    for (size_t i = 0; i < axes.size(); ++i)
      units.row(static_cast<Eigen::Index>(i)) = unit(profile(axes[i], length)).transpose();
    return std::pair(axes, units);
  };
  const auto [ys, y_units] = profiles(kernel.rows());
  const auto [xs, x_units] = profiles(kernel.cols());
  Eigen::Index row = 0, column = 0;
  (y_units * kernel * x_units.transpose()).cwiseAbs().maxCoeff(&row, &column);
  return with_best_gain(kernel, shape_of({1, ys[static_cast<size_t>(row)], xs[static_cast<size_t>(column)]}));
}

Shape shape_at(const FractionalLevels& levels, const FractionalGrid& grid) {
  const Shape low = grid.low(), high = grid.high();
  Shape shape{};
  for (int i = 0; i < grid.shape_numbers(); ++i) {
    const auto k = static_cast<size_t>(i);
    shape[k] = low[k] + (high[k] - low[k]) * levels.shape[k] / (grid.places(i) - 1);
  }
  if (grid.sigmas == Sigmas::one) shape[5] = std::min(shape[4], high[5]);
  return shape;
}

}  // namespace

std::vector<double> gl_coefficients(double order, int terms) {
  std::vector<double> c(static_cast<size_t>(terms), 1.0);
  for (int n = 1; n < terms; ++n) c[static_cast<size_t>(n)] = c[static_cast<size_t>(n - 1)] * (n - 1 - order) / n;
  return c;
}

std::vector<double> fractional_profile(const FractionalAxis& axis, int64_t length) {
  const VectorXd p = profile(axis, length);
  return {p.begin(), p.end()};
}

std::vector<double> evaluate(const FractionalFilter& filter, int64_t height, int64_t width) {
  const Matrix k = filter.gain * profile(filter.y, height) * profile(filter.x, width).transpose();
  return {k.data(), k.data() + k.size()};
}

std::vector<double> evaluate_jacobian(const FractionalFilter& filter, int64_t height, int64_t width) {
  const Matrix j = jacobian(filter.gain, shape_of(filter), height, width);
  return {j.data(), j.data() + j.size()};
}

FractionalFilter fit_fractional(std::span<const float> kernel, int64_t height, int64_t width, Sigmas sigmas) {
  const Matrix k = matrix_of(kernel, height, width);
  const double norm = k.norm();
  if (norm == 0) return {};
  const FractionalGrid grid{height, width, 2, sigmas};
  Fit best;
  const double widest = std::max(2.0, static_cast<double>(std::min(height, width)) / 2);
  std::vector<double> widths;
  for (int i = 0; i < kWidths; ++i) widths.push_back(0.5 * std::pow(widest / 0.5, i / (kWidths - 1.0)));
  const auto try_from = [&](std::span<const double> these) {
    const Fit fit = refine(k / norm, grid, best_start(k / norm, these));
    if (fit.error < best.error) best = fit;
  };
  for (const double& sigma : widths) try_from({&sigma, 1});
  if (sigmas == Sigmas::two) try_from(widths);
  return {best.gain * norm, y_of(best.shape), x_of(best.shape)};
}

RankOne best_rank_one(std::span<const float> kernel, int64_t height, int64_t width) {
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(matrix_of(kernel, height, width),
                                              Eigen::ComputeThinU | Eigen::ComputeThinV);
  const double root = std::sqrt(svd.singularValues()[0]);
  const VectorXd column = root * svd.matrixU().col(0), row = root * svd.matrixV().col(0);
  return {{column.begin(), column.end()}, {row.begin(), row.end()}};
}

std::array<double, kShape> FractionalGrid::low() const {
  return {-1, 0, -1, 0, std::log(kLeastSigma), std::log(kLeastSigma)};
}

std::array<double, kShape> FractionalGrid::high() const {
  double h = std::log(std::max(2.0, static_cast<double>(height))),
         w = std::log(std::max(2.0, static_cast<double>(width)));
  if (sigmas == Sigmas::one) h = w = std::min(h, w);
  return {static_cast<double>(height), 2, static_cast<double>(width), 2, h, w};
}

FractionalLevels quantize_fractional(const FractionalFilter& filter, std::span<const float> kernel,
                                     const FractionalGrid& grid, double gain_step, int32_t least, int32_t most) {
  TERCEL_CHECK(grid.levels >= 2 && gain_step > 0);
  const Matrix k = matrix_of(kernel, grid.height, grid.width);
  const Shape low = grid.low(), high = grid.high(), shape = shape_of(filter);
  FractionalLevels levels;
  for (int i = 0; i < grid.shape_numbers(); ++i) {
    const auto n = static_cast<size_t>(i);
    const double along = std::clamp((shape[n] - low[n]) / (high[n] - low[n]), 0.0, 1.0);
    levels.shape[n] = static_cast<int>(std::lround(along * (grid.places(i) - 1)));
  }
  double error = with_best_gain(k, shape_at(levels, grid)).error;
  for (bool nearer = true; nearer;) {
    nearer = false;
    for (int i = 0; i < grid.shape_numbers(); ++i)
      for (int by : {-1, 1}) {
        FractionalLevels next = levels;
        int& place = next.shape[static_cast<size_t>(i)];
        place += by;
        if (place < 0 || place >= grid.places(i)) continue;
        const double its = with_best_gain(k, shape_at(next, grid)).error;
        if (its < error * (1 - 1e-9)) error = its, levels = next, nearer = true;
      }
  }
  const Shape at = shape_at(levels, grid);
  const double gain = unit(profile(y_of(at), grid.height)).dot(k * unit(profile(x_of(at), grid.width))) / gain_step;
  double magnitude = std::max(std::round(std::abs(gain)), static_cast<double>(least));
  if (most > 0) magnitude = std::min(magnitude, static_cast<double>(most));
  levels.gain = static_cast<int32_t>(std::copysign(std::min(magnitude, 1e9), gain));
  return levels;
}

std::vector<double> evaluate(const FractionalLevels& levels, const FractionalGrid& grid, double gain_step) {
  const Shape at = shape_at(levels, grid);
  const Matrix k =
      levels.gain * gain_step * unit(profile(y_of(at), grid.height)) * unit(profile(x_of(at), grid.width)).transpose();
  return {k.data(), k.data() + k.size()};
}

}  // namespace tercel

// Pseudo-inverse: W = X^T (X X^T)^-1 X projects on the space of the patterns, so that W x = x for each, correlated or
// not (Personnaz, Guyon and Dreyfus 1986); the diagonal is taken out, which leaves (1 - w_ii) x_i with its sign. W is
// never made: with v = (X X^T)^-1 X s, W s = X^T v.
#include <algorithm>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "base/error.h"
#include "hopfield/columns.h"
#include "hopfield/overlaps.h"
#include "hopfield/rule.h"

namespace tercel::inline hopfield {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

/// More patterns need more than 2 GB for the inverse, and hours.
constexpr int64_t kMostPatterns = 16384;

/// The inverse of the Gram matrix; of patterns that depend on each other, its pseudo-inverse.
Matrix inverse_gram(const BitPatterns& patterns) {
  const int64_t count = patterns.count();
  Matrix gram(count, count);
  for (int64_t k = 0; k < count; ++k) {
    const std::vector<int32_t> a = overlaps(patterns.row(k), patterns);
    for (int64_t l = 0; l < count; ++l) gram(l, k) = a[static_cast<size_t>(l)];
  }
  const Eigen::LLT<Matrix> factor(gram);
  if (factor.info() == Eigen::Success && factor.rcond() > 1e-10) return factor.solve(Matrix::Identity(count, count));
  const Eigen::SelfAdjointEigenSolver<Matrix> split(gram);
  const double least = 1e-9 * static_cast<double>(count) * split.eigenvalues().cwiseAbs().maxCoeff();
  const Vector inverse = split.eigenvalues().unaryExpr([&](double value) { return value > least ? 1 / value : 0.0; });
  return split.eigenvectors() * inverse.asDiagonal() * split.eigenvectors().transpose();
}

Vector signs_of(std::span<const uint64_t> column, int64_t count) {
  Vector signs(count);
  for (int64_t k = 0; k < count; ++k) signs[k] = BitPatterns::sign_of(column.data(), k);
  return signs;
}

struct Projection {
  BitPatterns patterns, columns;
  Matrix inverse;
  Vector diagonal;  ///< of W
};

class ProjectionState final : public NetworkState {
 public:
  ProjectionState(std::span<const uint64_t> state, const Projection& w) : NetworkState(state), w_(w) {
    const std::vector<int32_t> a = overlaps(state.data(), w.patterns);
    overlaps_.resize(static_cast<Eigen::Index>(a.size()));
    for (size_t k = 0; k < a.size(); ++k) overlaps_[static_cast<Eigen::Index>(k)] = a[k];
    weights_ = w.inverse * overlaps_;
    total_ = weights_.sum();
  }

  double field(int64_t unit) const override {
    return 2 * sum_where_set(w_.columns.row_span(unit), weights_.data()) - total_ - w_.diagonal[unit] * sign(unit);
  }

  void flip(int64_t unit) override {
    flip_bit(unit);
    const Vector change = 2 * sign(unit) * signs_of(w_.columns.row_span(unit), w_.patterns.count());
    overlaps_ += change;
    weights_.noalias() += w_.inverse * change;
    total_ = weights_.sum();
  }

  double energy() const override { return -0.5 * (overlaps_.dot(weights_) - w_.diagonal.sum()); }

 private:
  const Projection& w_;
  Vector overlaps_, weights_;
  double total_ = 0;
};

class ProjectionNetwork final : public Network {
 public:
  explicit ProjectionNetwork(const BitPatterns& patterns) : w_{patterns, patterns.transposed(), {}, {}} {
    w_.inverse = inverse_gram(patterns);
    w_.diagonal.resize(patterns.bits());
    for (int64_t i = 0; i < patterns.bits(); ++i) {
      const Vector x = signs_of(w_.columns.row_span(i), patterns.count());
      w_.diagonal[i] = x.dot(w_.inverse * x);
    }
  }

  int64_t bits() const override { return w_.patterns.bits(); }
  std::unique_ptr<NetworkState> start(std::span<const uint64_t> state) const override {
    return std::make_unique<ProjectionState>(state, w_);
  }
  size_t bytes() const override {
    const int64_t bits = w_.patterns.count() * w_.patterns.words() + w_.columns.count() * w_.columns.words();
    return static_cast<size_t>(bits + w_.inverse.size() + w_.diagonal.size()) * 8;
  }

 private:
  Projection w_;
};

}  // namespace

Rule pseudo_inverse_rule() {
  return {"pseudo_inverse", "projection on the patterns, correlated or not; N - 1 of them",
          [](int64_t bits) { return static_cast<double>(std::max<int64_t>(bits - 1, 1)); },
          [](const BitPatterns& patterns, const RuleOptions&) -> std::unique_ptr<Network> {
            if (patterns.count() > kMostPatterns)
              fail_input("{} patterns in one network: the pseudo-inverse rule takes at most {}", patterns.count(),
                         kMostPatterns);
            return std::make_unique<ProjectionNetwork>(patterns);
          }};
}

}  // namespace tercel::inline hopfield

#include "quant/correction.h"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

#include "base/check.h"
#include "quant/gradient_product.h"

namespace tercel::inline quant {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// C H = D for C, with the factor H = U U' that the curvature holds.
class Solver {
 public:
  explicit Solver(const CurvatureBlock& block) : u_(Matrix::Zero(block.columns, block.columns)) {
    for (Eigen::Index j = 0; j < block.columns; ++j) {
      const float pivot = std::sqrt(block.weight[static_cast<size_t>(j)]);
      u_(j, j) = pivot;
      for (Eigen::Index i = 0; i < j; ++i)
        u_(i, j) = pivot * block.feedback[static_cast<size_t>(j * block.columns + i)];
    }
  }
  Matrix solve(const Eigen::Ref<const Matrix>& d) const {
    Matrix t = d.transpose();
    u_.triangularView<Eigen::Upper>().solveInPlace(t);
    u_.transpose().triangularView<Eigen::Lower>().solveInPlace(t);
    return t.transpose();
  }

 private:
  Matrix u_;
};

/// The factor that shrinks a fit, by cross-validation: its gain on the other shares over its cost there.
double shrink_for(double worth, double cost) { return cost > 0 ? std::clamp(worth / cost, 0.0, 1.0) : 0; }

}  // namespace

Target target_of(const LinearSite& site, const Graph& graph) {
  const Value* value = site.node->output();
  for (;;) {
    if (value->users.size() != 1 || !value->users[0]->is("Add") || graph.is_output(value)) return {value->name};
    const Node* add = value->users[0];
    const Value* other = add->input(0) == value ? add->input(1) : add->input(0);
    const Value* sum = add->output();
    if (!sum->type.static_shape() || sum->type != value->type) return {value->name};
    value = sum;
    if (!other->is_constant()) return {value->name, true};
  }
}

bool CorrectionFit::can(const LinearSite& site, const Moments& moments, const Curvature& curvature) {
  if (site.groups != 1 || curvature.groups.size() != 1 || curvature.groups[0].size() != 1) return false;
  size_t positions = 0;
  for (const auto& weights : moments.position_weight) positions += weights.size();
  return positions >= 4 * static_cast<size_t>(site.columns);
}

CorrectionFit::CorrectionFit(const LinearSite& site, const Moments& moments)
    : site_(&site),
      moments_(&moments),
      product_(static_cast<size_t>(site.rows * site.columns)),
      delta_mean_(static_cast<size_t>(site.rows)),
      x_mean_(static_cast<size_t>(site.columns)) {}

void CorrectionFit::add(size_t k, const Array& x, const Array& wanted, const Array& got, Isa isa,
                        Workspace& workspace) {
  const std::vector<float>& weights = moments_->position_weight.at(k);
  const auto positions = static_cast<int64_t>(weights.size());
  const InputRows inputs(*site_, x.dims(), positions);
  TERCEL_CHECK(inputs.count() == positions);
  const OutputRows want(*site_, wanted), have(*site_, got);
  const int64_t rows = site_->rows, columns = site_->columns;
  x_.resize(static_cast<size_t>(positions * columns));
  delta_.resize(static_cast<size_t>(positions * rows));
  inputs.gather(x.floats().data(), 0, 0, columns, x_.data());
  for (int64_t i = 0; i < positions; ++i) {
    const int64_t position = inputs.position(i);
    const float w = weights[static_cast<size_t>(i)];
    weight_ += static_cast<double>(w);
    for (int64_t r = 0; r < rows; ++r) {
      const float d = w * (want.at(position, r) - have.at(position, r));
      delta_[static_cast<size_t>(i * rows + r)] = d;
      delta_mean_[static_cast<size_t>(r)] += static_cast<double>(d);
    }
    for (int64_t c = 0; c < columns; ++c)
      x_mean_[static_cast<size_t>(c)] += static_cast<double>(w * x_[static_cast<size_t>(i * columns + c)]);
  }
  multiply({.m = rows,
            .n = columns,
            .k = positions,
            .a = {delta_.data(), 1, rows},
            .b = {x_.data(), columns, 1},
            .dst = product_.data(),
            .pitch = columns},
           isa, workspace);
}

void CorrectionFit::add(const CorrectionFit& other) {
  weight_ += other.weight_;
  const auto sum = [](auto& to, const auto& from) {
    for (size_t i = 0; i < to.size(); ++i) to[i] += from[i];
  };
  sum(product_, other.product_);
  sum(delta_mean_, other.delta_mean_);
  sum(x_mean_, other.x_mean_);
}

/// Of wanted - got and x, summed over positions; about zero where there is no bias to correct means.
std::vector<float> CorrectionFit::covariance() const {
  std::vector<float> product = product_;
  if (site_->bias.empty() || !(weight_ > 0)) return product;
  Eigen::Map<Matrix> d(product.data(), site_->rows, site_->columns);
  const Eigen::Map<const Eigen::VectorXd> delta(delta_mean_.data(), site_->rows), x(x_mean_.data(), site_->columns);
  d -= (delta * x.transpose() / weight_).cast<float>();
  return product;
}

Correction CorrectionFit::fit(const std::vector<CorrectionFit>& shares, const Curvature& curvature) {
  CorrectionFit all = shares.at(0);
  for (size_t s = 1; s < shares.size(); ++s) all.add(shares[s]);
  const Eigen::Index m = all.site_->rows, n = all.site_->columns;
  Correction correction;
  correction.weights = all.covariance();
  const Solver solver(curvature.groups.at(0).at(0));
  const Eigen::Map<const Matrix> covariance(correction.weights.data(), m, n);
  const Matrix whole = solver.solve(covariance);
  // C is fitted to all shares but s. Its gain on share s is sum <C, D_s>, its cost sum <C H, C> / shares.
  double worth = 0, cost = 0;
  for (const CorrectionFit& share : shares) {
    const std::vector<float> own = share.covariance();
    const Eigen::Map<const Matrix> d(own.data(), m, n);
    const Matrix others = covariance - d;
    const Matrix c = whole - solver.solve(d);
    worth += c.cwiseProduct(d).cast<double>().sum();
    cost += c.cwiseProduct(others).cast<double>().sum() / static_cast<double>(std::max<size_t>(shares.size() - 1, 1));
  }
  const double shrink = shrink_for(worth, cost);
  Eigen::Map<Matrix>(correction.weights.data(), m, n) = whole * static_cast<float>(shrink);
  if (all.site_->bias.empty() || !(all.weight_ > 0)) return correction;
  const Eigen::Map<const Matrix> c(correction.weights.data(), m, n);
  const Eigen::Map<const Eigen::VectorXd> delta(all.delta_mean_.data(), m), x(all.x_mean_.data(), n);
  const Eigen::VectorXd bias = (delta - c.cast<double>() * x) / all.weight_;
  for (Eigen::Index r = 0; r < m; ++r) correction.bias.push_back(static_cast<float>(bias[r]));
  return correction;
}

void OutputFit::Row::add(const Row& other) {
  wanted += other.wanted;
  got += other.got;
  wanted_square += other.wanted_square;
  got_square += other.got_square;
}

void OutputFit::add(const Array& wanted, const Array& got) {
  const OutputRows want(*site_, wanted), have(*site_, got);
  const int64_t positions = static_cast<int64_t>(wanted.floats().size()) / site_->rows;
  for (int64_t r = 0; r < site_->rows; ++r) {
    Row sums;
    for (int64_t position = 0; position < positions; ++position) {
      const auto w = static_cast<double>(want.at(position, r)), g = static_cast<double>(have.at(position, r));
      sums.add({w, g, w * w, g * g});
    }
    rows_[static_cast<size_t>(r)].add(sums);
  }
  positions_ += static_cast<double>(positions);
}

OutputFit::Result OutputFit::fit(const std::vector<OutputFit>& shares, const std::vector<float>& own) {
  OutputFit all = shares.at(0);
  for (size_t s = 1; s < shares.size(); ++s) {
    all.positions_ += shares[s].positions_;
    for (size_t r = 0; r < all.rows_.size(); ++r) all.rows_[r].add(shares[s].rows_[r]);
  }
  Result result;
  result.bias.resize(all.rows_.size());
  if (!(all.positions_ > 0)) return result;

  // The mean of all shares but one, validated on that one.
  double worth = 0, cost = 0, wanted_variance = 0, got_variance = 0;
  for (const OutputFit& share : shares)
    for (size_t r = 0; r < all.rows_.size() && share.positions_ < all.positions_; ++r) {
      const double lost = share.rows_[r].wanted - share.rows_[r].got;
      const double others = (all.rows_[r].wanted - all.rows_[r].got - lost) / (all.positions_ - share.positions_);
      worth += others * lost;
      cost += others * others * share.positions_;
    }
  for (const Row& row : all.rows_) {
    wanted_variance += row.wanted_square - row.wanted * row.wanted / all.positions_;
    got_variance += row.got_square - row.got * row.got / all.positions_;
  }
  const double shrink = shrink_for(worth, cost);
  if (!own.empty() && wanted_variance > 0 && got_variance > 0)
    result.factor = std::clamp(std::sqrt(wanted_variance / got_variance), 0.5, 2.0);
  for (size_t r = 0; r < all.rows_.size(); ++r) {
    const double got = all.rows_[r].got / all.positions_, lost = all.rows_[r].wanted / all.positions_ - got;
    const double of_factor = own.empty() ? 0 : (1 - result.factor) * (got - static_cast<double>(own[r]));
    result.bias[r] = static_cast<float>(shrink * lost + of_factor);
  }
  return result;
}

}  // namespace tercel::inline quant

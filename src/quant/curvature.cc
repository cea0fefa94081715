#include "quant/curvature.h"

#include <cmath>

#include <Eigen/Cholesky>

#include "base/check.h"
#include "base/threads.h"

namespace tercel::inline quant {
namespace {

/// `weight`: of all positions; 0: not centred.
CurvatureBlock factorize(const MomentBlock& moments, double weight, double damping) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto n = static_cast<Eigen::Index>(moments.columns);
  const auto at = [n](Eigen::Index i, Eigen::Index j) { return static_cast<size_t>(i * n + j); };
  // Reversed in both axes, so that the lower factor Eigen finds is the upper one wanted here.
  Matrix h(n, n);
  for (Eigen::Index i = 0; i < n; ++i)
    for (Eigen::Index j = 0; j < n; ++j) {
      double x = static_cast<double>(moments.second[at(i, j)]);
      x -= weight * static_cast<double>(moments.mean[static_cast<size_t>(i)]) *
           static_cast<double>(moments.mean[static_cast<size_t>(j)]);
      h(n - 1 - i, n - 1 - j) = x;
    }
  double typical = h.diagonal().mean();
  if (!(typical > 0) || !std::isfinite(typical)) {  // the layer never saw anything but a constant
    h.setIdentity();
    typical = 0;
  }
  Eigen::LLT<Matrix> cholesky;
  for (double extra = damping;; extra *= 10) {
    Matrix damped = h;
    damped.diagonal().array() += extra * typical;
    cholesky.compute(damped);
    if (cholesky.info() == Eigen::Success) break;
    TERCEL_CHECK(extra < 1e6, "moments are no covariance");
  }
  const Matrix lower = cholesky.matrixL();
  CurvatureBlock block{moments.first, moments.columns, {}, {}};
  block.weight.resize(static_cast<size_t>(n));
  block.feedback.resize(static_cast<size_t>(n * n));
  for (Eigen::Index j = 0; j < n; ++j) {
    const double pivot = lower(n - 1 - j, n - 1 - j);
    block.weight[static_cast<size_t>(j)] = static_cast<float>(pivot * pivot);
    for (Eigen::Index i = 0; i < j; ++i)
      block.feedback[at(j, i)] = static_cast<float>(lower(n - 1 - i, n - 1 - j) / pivot);
  }
  return block;
}

}  // namespace

Curvature factorize(const Moments& moments, bool centred, double damping) {
  Curvature curvature;
  struct Work {
    const MomentBlock* from;
    CurvatureBlock* to;
    double weight;
  };
  std::vector<Work> work;
  curvature.groups.resize(moments.groups.size());
  for (size_t g = 0; g < moments.groups.size(); ++g) {
    curvature.groups[g].resize(moments.groups[g].size());
    std::vector<float> mean;
    for (size_t b = 0; b < moments.groups[g].size(); ++b) {
      work.push_back({&moments.groups[g][b], &curvature.groups[g][b], centred ? moments.weight[g] : 0});
      mean.insert(mean.end(), moments.groups[g][b].mean.begin(), moments.groups[g][b].mean.end());
    }
    curvature.mean.push_back(std::move(mean));
  }
  parallel_for(static_cast<int64_t>(work.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Work& w = work[static_cast<size_t>(i)];
      *w.to = factorize(*w.from, w.weight, damping);
    }
  });
  return curvature;
}

Curvature flat_curvature(int64_t groups, int64_t columns) {
  Curvature curvature;
  for (int64_t g = 0; g < groups; ++g)
    curvature.groups.push_back({{0, columns, std::vector<float>(static_cast<size_t>(columns), 1.0f), {}}});
  return curvature;
}

}  // namespace tercel::inline quant

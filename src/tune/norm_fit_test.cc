#include "tune/norm_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace tercel::inline tune {
namespace {

constexpr int64_t kChannels = 10, kRows = 6;
constexpr int kInputs = 40;

constexpr NormEstimator kAll[] = {NormEstimator::scalar, NormEstimator::position, NormEstimator::channel,
                                  NormEstimator::affine, NormEstimator::ridge,    NormEstimator::position_ridge};

using Input = std::vector<float>;

/// Rows whose deviation is what `sigma(row)` says, around a mean of 3.
template <typename Sigma>
std::vector<Input> rows_with(Sigma&& sigma) {
  Rng rng(5);
  std::vector<Input> inputs;
  for (int n = 0; n < kInputs; ++n) {
    Input input;
    for (int64_t t = 0; t < kRows; ++t) {
      std::vector<double> row;
      double mean = 0, square = 0;
      for (int64_t c = 0; c < kChannels; ++c) row.push_back(rng.uniform(-1, 1));
      for (double v : row) mean += v / kChannels;
      for (double v : row) square += (v - mean) * (v - mean) / kChannels;
      for (double v : row) input.push_back(static_cast<float>(3 + (v - mean) / std::sqrt(square) * sigma(t)));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

struct Fitted {
  NormMap map;
  double residual, spread;
};

Fitted fit(NormEstimator estimator, const std::vector<Input>& x, const std::vector<Input>& x0) {
  const NormSite site{"norm", "x", "y", kChannels, 1e-6f};
  std::vector<double> scales;
  if (estimator == NormEstimator::position_ridge) scales = fit(NormEstimator::position, x, x0).map.row_scale;
  NormMoments moments(site, estimator, scales);
  for (size_t i = 0; i < x.size(); ++i) moments.add(x[i], x0[i]);
  const NormMap map = moments.fit();
  return {map, moments.residual(map), moments.spread()};
}

TEST(NormFit, OneDeviationForAllIsFittedByOneFactor) {
  const auto x = rows_with([](int64_t) { return 0.5; });
  for (NormEstimator estimator : {NormEstimator::scalar, NormEstimator::position}) {
    const Fitted f = fit(estimator, x, x);
    EXPECT_LT(f.residual, 1e-6) << to_string(estimator);
    EXPECT_LT(f.spread, 1e-3);
  }
  EXPECT_NEAR(fit(NormEstimator::scalar, x, x).map.matrix(0, 0), 2 * (1 - 1.0 / kChannels), 1e-4);
}

TEST(NormFit, PositionsHaveDeviationsOfTheirOwn) {
  const auto x = rows_with([](int64_t t) { return t == 0 ? 8.0 : 0.5; });  // a class token far out
  const Fitted f = fit(NormEstimator::position, x, x);
  EXPECT_LT(f.residual, 1e-6);
  EXPECT_NEAR(f.map.row_scale[0], 1 / 8.0, 1e-4);
  EXPECT_NEAR(f.map.row_scale[1], 2, 1e-3);
  EXPECT_GT(fit(NormEstimator::scalar, x, x).residual, 0.5);
  EXPECT_LT(fit(NormEstimator::position_ridge, x, x).residual, 1e-3);
}

TEST(NormFit, RidgeMakesGoodForWhatOthersDidToTheRows) {
  // The converted network gives other rows than the original one: mixed by a matrix, and shifted.
  const auto x0 = rows_with([](int64_t t) { return 1.0 + 0.1 * static_cast<double>(t); });
  auto x = x0;
  for (Input& input : x)
    for (int64_t t = 0; t < kRows; ++t)
      for (int64_t c = 0; c + 1 < kChannels; ++c)
        input[static_cast<size_t>(t * kChannels + c)] +=
            0.7f * input[static_cast<size_t>(t * kChannels + c + 1)] - 0.3f;
  const double affine = fit(NormEstimator::affine, x, x0).residual, ridge = fit(NormEstimator::ridge, x, x0).residual;
  EXPECT_LT(ridge, 0.1 * affine);
  EXPECT_LT(ridge, 0.05);
  EXPECT_LE(fit(NormEstimator::position_ridge, x, x0).residual, ridge);
}

TEST(NormFit, ResidualIsWhatTheMapMisses) {
  const auto x0 = rows_with([](int64_t t) { return 0.5 + 0.2 * static_cast<double>(t); });
  auto x = x0;
  for (Input& input : x)
    for (float& v : input) v = 1.3f * v - 0.1f;
  for (NormEstimator estimator : kAll) {
    const Fitted f = fit(estimator, x, x0);
    double missed = 0, all = 0;
    for (int n = 0; n < kInputs; ++n)
      for (int64_t t = 0; t < kRows; ++t) {
        const auto at = [&](const std::vector<Input>& rows, int64_t c) {
          return static_cast<double>(rows[static_cast<size_t>(n)][static_cast<size_t>(t * kChannels + c)]);
        };
        double mean = 0, square = 0;
        for (int64_t c = 0; c < kChannels; ++c) mean += at(x0, c) / kChannels;
        for (int64_t c = 0; c < kChannels; ++c) square += std::pow(at(x0, c) - mean, 2) / kChannels;
        const double scale = f.map.row_scale.empty() ? 1 : f.map.row_scale[static_cast<size_t>(t)];
        for (int64_t c = 0; c < kChannels; ++c) {
          double y = f.map.shift(c);
          for (int64_t k = 0; k < kChannels; ++k) y += scale * at(x, k) * f.map.matrix(k, c);
          const double h = (at(x0, c) - mean) / std::sqrt(square + 1e-6);
          missed += (h - y) * (h - y);
          all += h * h;
        }
      }
    EXPECT_NEAR(f.residual, missed / all, 1e-6) << to_string(estimator);
  }
}

TEST(NormFit, ChannelIsMovingMeanAndVariance) {
  const auto x = rows_with([](int64_t) { return 2.0; });
  const NormMap map = fit(NormEstimator::channel, x, x).map;
  double mean = 0, square = 0;
  for (const Input& input : x)
    for (int64_t t = 0; t < kRows; ++t) mean += static_cast<double>(input[static_cast<size_t>(t * kChannels)]);
  mean /= kInputs * kRows;
  for (const Input& input : x)
    for (int64_t t = 0; t < kRows; ++t)
      square += std::pow(static_cast<double>(input[static_cast<size_t>(t * kChannels)]) - mean, 2);
  const double factor = 1 / std::sqrt(square / (kInputs * kRows) + 1e-6);
  EXPECT_NEAR(map.matrix(0, 0), factor, 1e-9);
  EXPECT_NEAR(map.shift(0), -mean * factor, 1e-9);
  EXPECT_EQ(map.matrix(0, 1), 0);
}

}  // namespace
}  // namespace tercel::inline tune

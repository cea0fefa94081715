#include "fractional_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "base/rng.h"
#include "tercel/error.h"

namespace tercel {
namespace {

using testing::DoubleEq;
using testing::DoubleNear;
using testing::Each;
using testing::ElementsAre;

std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

double unexplained(const std::vector<float>& kernel, const std::vector<double>& approximation) {
  double error = 0, energy = 0;
  for (size_t i = 0; i < kernel.size(); ++i) {
    const double k = static_cast<double>(kernel[i]);
    error += (k - approximation[i]) * (k - approximation[i]);
    energy += k * k;
  }
  return error / energy;
}

std::vector<double> product(const RankOne& rank_one) {
  std::vector<double> k;
  for (double c : rank_one.column)
    for (double r : rank_one.row) k.push_back(c * r);
  return k;
}

std::vector<float> noise(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = static_cast<float>(rng.normal());
  return values;
}

TEST(GlCoefficients, OfWholeOrdersAreThoseOfDifferences) {
  EXPECT_THAT(gl_coefficients(0, 4), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(gl_coefficients(1, 5), ElementsAre(1, -1, 0, 0, 0));
  EXPECT_THAT(gl_coefficients(2, 5), ElementsAre(1, -2, 1, 0, 0));
}

TEST(GlCoefficients, OfAHalf) {  // the series of sqrt(1 - x)
  EXPECT_THAT(gl_coefficients(0.5, 5), ElementsAre(1, -1.0 / 2, -1.0 / 8, -1.0 / 16, -5.0 / 128));
}

TEST(GlCoefficients, TwoHalvesMakeAWhole) {
  const std::vector<double> half = gl_coefficients(0.5, 12), whole = gl_coefficients(1, 12);
  for (size_t n = 0; n < half.size(); ++n) {
    double sum = 0;
    for (size_t i = 0; i <= n; ++i) sum += half[i] * half[n - i];
    EXPECT_NEAR(sum, whole[n], 1e-15) << n;
  }
}

TEST(FractionalProfile, OfOrderZeroIsTheGaussian) {
  const std::vector<double> p = fractional_profile({1.25, 0.8, 0}, 7);
  for (size_t i = 0; i < p.size(); ++i) {
    const double u = static_cast<double>(i) - 1.25;
    EXPECT_THAT(p[i], DoubleEq(std::exp(-u * u / (2 * 0.8 * 0.8))));
  }
}

TEST(FractionalProfile, OfWholeOrdersIsADifferenceOfGaussians) {
  const auto gauss = [](double u) { return std::exp(-u * u / (2 * 1.5 * 1.5)); };
  const std::vector<double> first = fractional_profile({2, 1.5, 1}, 5), second = fractional_profile({2, 1.5, 2}, 5);
  for (size_t i = 0; i < first.size(); ++i) {
    const double u = static_cast<double>(i) - 2;
    EXPECT_NEAR(first[i], 2 * (gauss(u) - gauss(u - 0.5)), 1e-14);
    EXPECT_NEAR(second[i], 4 * (gauss(u) - 2 * gauss(u - 0.5) + gauss(u - 1)), 1e-14);
  }
}

TEST(FractionalFilter, JacobianIsThatOfDifferences) {
  const FractionalFilter filter{1.7, {1.3, 0.9, 0.6}, {2.2, 1.4, 1.35}};
  const auto moved = [&](int number, double by) {
    FractionalFilter f = filter;
    switch (number) {
      case 0: f.gain += by; break;
      case 1: f.y.centre += by; break;
      case 2: f.y.order += by; break;
      case 3: f.x.centre += by; break;
      case 4: f.x.order += by; break;
      case 5: f.y.sigma *= std::exp(by); break;
      default: f.x.sigma *= std::exp(by);
    }
    return evaluate(f, 4, 5);
  };
  const std::vector<double> jacobian = evaluate_jacobian(filter, 4, 5);
  ASSERT_EQ(jacobian.size(), 4u * 5 * 7);
  for (int number = 0; number < 7; ++number) {
    const double by = 1e-5;
    const std::vector<double> up = moved(number, by), down = moved(number, -by);
    for (size_t i = 0; i < up.size(); ++i)
      EXPECT_NEAR(jacobian[i * 7 + static_cast<size_t>(number)], (up[i] - down[i]) / (2 * by), 1e-8)
          << "number " << number << ", element " << i;
  }
}

class OfSize : public testing::TestWithParam<std::tuple<int64_t, Sigmas>> {};

TEST_P(OfSize, FindsKernelsMadeFromKnownParameters) {
  const auto [size, sigmas] = GetParam();
  Rng rng(7);
  const double s = static_cast<double>(size);
  int found = 0;
  for (int i = 0; i < 20; ++i) {
    FractionalFilter made{rng.uniform(-2, 2),
                          {rng.uniform(0.2, 0.8) * (s - 1), rng.uniform(0.6, 0.6 + s / 8), rng.uniform(0.1, 1.9)},
                          {rng.uniform(0.2, 0.8) * (s - 1), rng.uniform(0.6, 0.6 + s / 8), rng.uniform(0.1, 1.9)}};
    if (sigmas == Sigmas::one) made.x.sigma = made.y.sigma;
    const std::vector<float> kernel = floats(evaluate(made, size, size));
    const FractionalFilter fit = fit_fractional(kernel, size, size, sigmas);
    const double left = unexplained(kernel, evaluate(fit, size, size));
    EXPECT_LT(left, 0.02) << "kernel " << i;
    found += left < 1e-6;
    if (sigmas == Sigmas::one) {
      EXPECT_EQ(fit.x.sigma, fit.y.sigma);
    }
  }
  EXPECT_GE(found, 17);  // least squares of this kind have other minima
}

TEST_P(OfSize, IsNoBetterThanTheBestKernelOfRankOne) {
  const auto [size, sigmas] = GetParam();
  const std::vector<float> kernel = noise(size * size, 3);
  const double bound = unexplained(kernel, product(best_rank_one(kernel, size, size)));
  const double left = unexplained(kernel, evaluate(fit_fractional(kernel, size, size, sigmas), size, size));
  EXPECT_GE(left, bound - 1e-9);
  EXPECT_LT(left, 1);
}

TEST_P(OfSize, ZerosGiveNoGain) {
  const auto [size, sigmas] = GetParam();
  const std::vector<float> zeros(static_cast<size_t>(size * size));
  EXPECT_EQ(fit_fractional(zeros, size, size, sigmas).gain, 0);
  EXPECT_THAT(product(best_rank_one(zeros, size, size)), Each(0.0));
  const FractionalGrid grid{size, size, 8, sigmas};
  EXPECT_EQ(quantize_fractional({}, zeros, grid, 0.1).gain, 0);
}

TEST_P(OfSize, FineLevelsKeepTheFit) {
  const auto [size, sigmas] = GetParam();
  const std::vector<float> kernel = noise(size * size, 5);
  const FractionalFilter fit = fit_fractional(kernel, size, size, sigmas);
  const FractionalGrid grid{size, size, 256, sigmas};
  const FractionalLevels levels = quantize_fractional(fit, kernel, grid, 1e-3);
  for (int i = 0; i < grid.shape_numbers(); ++i) {
    EXPECT_GE(levels.shape[static_cast<size_t>(i)], 0);
    EXPECT_LT(levels.shape[static_cast<size_t>(i)], grid.places(i));
  }
  EXPECT_NEAR(unexplained(kernel, evaluate(levels, grid, 1e-3)), unexplained(kernel, evaluate(fit, size, size)), 0.01);
}

TEST_P(OfSize, RefusesWhatIsNotFinite) {
  const auto [size, sigmas] = GetParam();
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> kernel(static_cast<size_t>(size * size), 1.0f);
    kernel.back() = bad;
    EXPECT_THROW(fit_fractional(kernel, size, size, sigmas), Error);
    EXPECT_THROW(best_rank_one(kernel, size, size), Error);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, OfSize,
                         testing::Combine(testing::Values(1, 3, 5, 7, 11), testing::Values(Sigmas::one, Sigmas::two)));

TEST(QuantizeFractional, KeepsTheGainInItsBounds) {
  const std::vector<float> kernel = floats(evaluate(FractionalFilter{-3, {1, 1, 0}, {1, 1, 0}}, 3, 3));
  const FractionalFilter fit = fit_fractional(kernel, 3, 3);
  const FractionalGrid grid{3, 3, 32};
  const int32_t free = quantize_fractional(fit, kernel, grid, 0.25).gain;
  double norm = 0;
  for (float k : kernel) norm += static_cast<double>(k) * static_cast<double>(k);
  EXPECT_NEAR(free, -std::sqrt(norm) / 0.25, 1);
  EXPECT_EQ(quantize_fractional(fit, kernel, grid, 0.25, 64, 127).gain, -64);
  EXPECT_EQ(quantize_fractional(fit, kernel, grid, 0.25, 4, 7).gain, -7);
}

TEST(FractionalFilter, FitsKernelsThatAreNotSquare) {
  const FractionalFilter made{1.5, {0.8, 0.9, 0.4}, {2.6, 0.9, 1.3}};
  const std::vector<float> kernel = floats(evaluate(made, 3, 6));
  const FractionalFilter fit = fit_fractional(kernel, 3, 6);
  EXPECT_LT(unexplained(kernel, evaluate(fit, 3, 6)), 1e-6);
  const FractionalGrid grid{3, 6, 128};
  EXPECT_LT(unexplained(kernel, evaluate(quantize_fractional(fit, kernel, grid, 1e-3), grid, 1e-3)), 1e-3);
}

TEST(BestRankOne, IsExactForProducts) {
  const RankOne r = best_rank_one(std::vector<float>{2, 4, 6, -1, -2, -3}, 2, 3);
  EXPECT_THAT(product(r), ElementsAre(DoubleNear(2, 1e-6), DoubleNear(4, 1e-6), DoubleNear(6, 1e-6),
                                      DoubleNear(-1, 1e-6), DoubleNear(-2, 1e-6), DoubleNear(-3, 1e-6)));
  double column = 0, row = 0;
  for (double c : r.column) column += c * c;
  for (double x : r.row) row += x * x;
  EXPECT_NEAR(column, row, 1e-12);
}

}  // namespace
}  // namespace tercel

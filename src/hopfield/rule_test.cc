// Every rule against its definition: a matrix W of all pairs, or the energy itself.
#include "hopfield/rule.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include <Eigen/Dense>

#include "base/error_testing.h"
#include "hopfield/overlaps.h"
#include "hopfield/patterns_testing.h"
#include "hopfield/recall.h"

namespace tercel::inline hopfield {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

Matrix signs_of(const BitPatterns& patterns) {
  Matrix x(patterns.count(), patterns.bits());
  for (int64_t k = 0; k < patterns.count(); ++k)
    for (int64_t i = 0; i < patterns.bits(); ++i) x(k, i) = patterns.sign(k, i);
  return x;
}

Matrix without_diagonal(Matrix w) {
  w.diagonal().setZero();
  return w;
}

Matrix hebb_weights(const Matrix& x) { return without_diagonal(x.transpose() * x / static_cast<double>(x.cols())); }

Matrix pseudo_inverse_weights(const Matrix& x) {
  return without_diagonal(x.completeOrthogonalDecomposition().pseudoInverse() * x);
}

/// By the sums of the paper, one after the other.
Matrix storkey_weights(const Matrix& x) {
  const Eigen::Index n = x.cols();
  Matrix w = Matrix::Zero(n, n);
  for (Eigen::Index p = 0; p < x.rows(); ++p) {
    const Matrix before = w;
    const auto h = [&](Eigen::Index i, Eigen::Index j) {
      double sum = 0;
      for (Eigen::Index k = 0; k < n; ++k)
        if (k != i && k != j) sum += before(i, k) * x(p, k);
      return sum;
    };
    for (Eigen::Index i = 0; i < n; ++i)
      for (Eigen::Index j = 0; j < n; ++j)
        if (i != j) w(i, j) += (x(p, i) * x(p, j) - x(p, i) * h(j, i) - h(i, j) * x(p, j)) / static_cast<double>(n);
  }
  return w;
}

struct Quadratic {
  std::string_view rule;
  Matrix (*weights)(const Matrix&);
};

class QuadraticRule : public testing::TestWithParam<Quadratic> {};

TEST_P(QuadraticRule, FieldsAndEnergyAreThoseOfTheMatrix) {
  for (const int64_t bits : {1, 2, 63, 64, 65, 97})
    for (const int64_t count : {1, 2, 9, 67}) {
      const BitPatterns patterns = random_patterns(bits, count, static_cast<uint64_t>(bits + 1000 * count), 0.4);
      const Matrix w = GetParam().weights(signs_of(patterns));
      const auto network = find_rule(GetParam().rule).learn(patterns, {});
      EXPECT_EQ(network->bits(), bits);
      const BitPatterns probe = random_patterns(bits, 1, static_cast<uint64_t>(count));
      const auto state = network->start(probe.row_span(0));
      Vector s = signs_of(probe).transpose();
      const double tolerance = 1e-4 * std::max(1.0, static_cast<double>(count));
      for (const int64_t flipped : {int64_t{-1}, int64_t{0}, bits / 2, bits - 1}) {
        if (flipped >= 0) {
          state->flip(flipped);
          s[flipped] = -s[flipped];
        }
        for (int64_t i = 0; i < bits; ++i) {
          ASSERT_EQ(state->sign(i), s[i]);
          ASSERT_NEAR(state->field(i), w.row(i).dot(s), tolerance) << GetParam().rule << " " << bits << " x " << count;
        }
        ASSERT_NEAR(state->energy(), -0.5 * s.dot(w * s), tolerance * static_cast<double>(bits));
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Rules, QuadraticRule,
                         testing::Values(Quadratic{"hebb", hebb_weights},
                                         Quadratic{"pseudo_inverse", pseudo_inverse_weights},
                                         Quadratic{"storkey", storkey_weights}),
                         [](const auto& of) { return std::string(of.param.rule); });

double softmax_energy(const BitPatterns& patterns, std::span<const uint64_t> state, double beta) {
  double sum = 0;
  for (int32_t a : overlaps(state.data(), patterns)) sum += std::exp(beta * a);
  return -std::log(sum) / beta;
}

TEST(SoftmaxRule, FieldsAreHalfTheDifferenceOfEnergies) {
  for (const double beta : {0.01, 0.2, 2.0})
    for (const int64_t bits : {1, 64, 65, 101}) {
      const BitPatterns patterns = random_patterns(bits, 11, static_cast<uint64_t>(bits));
      const auto network = find_rule("softmax").learn(patterns, {beta});
      const BitPatterns probe = random_patterns(bits, 1, 5);
      const auto state = network->start(probe.row_span(0));
      state->flip(bits / 2);
      const std::vector<uint64_t> units(state->units().begin(), state->units().end());
      EXPECT_NEAR(state->energy(), softmax_energy(patterns, units, beta), 1e-6);
      for (int64_t i = 0; i < bits; ++i) {
        std::vector<uint64_t> up = units, down = units;
        BitPatterns::flip(state->sign(i) > 0 ? down.data() : up.data(), i);
        const double half = (softmax_energy(patterns, down, beta) - softmax_energy(patterns, up, beta)) / 2;
        ASSERT_NEAR(state->field(i), half, 1e-6) << beta << " " << bits;
      }
    }
}

class EveryRule : public testing::TestWithParam<std::string_view> {};

TEST_P(EveryRule, EnergyNeverRisesInAsynchronousRecall) {
  const Rule& rule = find_rule(GetParam());
  int64_t changes = 0;
  for (const int64_t count : {1, 5, 20, 60})
    for (const double positive : {0.5, 0.2}) {
      const BitPatterns patterns = random_patterns(131, count, static_cast<uint64_t>(count), positive);
      const auto network = rule.learn(patterns, {0.1});
      Rng rng(7);
      for (int trial = 0; trial < 5; ++trial) {
        double before = std::numeric_limits<double>::infinity();
        RecallOptions options;
        options.seed = static_cast<uint64_t>(trial);
        options.watch = [&](const NetworkState& state) {
          ASSERT_LE(state.energy(), before + 1e-6 * (1 + std::fabs(state.energy())));
          before = state.energy();
        };
        const Recalled recalled = recall(*network, disturbed(patterns.row_span(0), 131, 0.3, rng), options);
        EXPECT_EQ(recalled.end, RecallEnd::fixed_point);
        EXPECT_NEAR(recalled.energy, before, 1e-9 + 1e-9 * std::fabs(before));
        changes += recalled.changes;
      }
    }
  EXPECT_GT(changes, 100);
}

TEST_P(EveryRule, FewRandomPatternsAreFixedPointsAndFoundFromNearby) {
  const BitPatterns patterns = random_patterns(256, 8, 11);
  const auto network = find_rule(GetParam()).learn(patterns, {0.5});
  Rng rng(3);
  for (int64_t k = 0; k < patterns.count(); ++k) {
    EXPECT_EQ(recall(*network, patterns.row_span(k)).changes, 0);
    const Recalled recalled = recall(*network, disturbed(patterns.row_span(k), 256, 0.1, rng));
    const StateMatch match = match_state(recalled.state, patterns);
    EXPECT_EQ(match.kind, StateKind::stored);
    EXPECT_EQ(match.pattern, k);
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, EveryRule, testing::ValuesIn([] {
                           std::vector<std::string_view> names;
                           for (const Rule& rule : all_rules()) names.push_back(rule.name);
                           return names;
                         }()),
                         [](const auto& of) { return std::string(of.param); });

TEST(PseudoInverse, StoredPatternsAreFixedPointsUpToItsCapacity) {
  for (const double positive : {0.5, 0.15})
    for (const int64_t bits : {31, 64, 101}) {
      const Rule& rule = find_rule("pseudo_inverse");
      const auto most = static_cast<int64_t>(rule.capacity(bits));
      EXPECT_EQ(most, bits - 1);
      for (const int64_t count : {int64_t{1}, bits / 2, most}) {
        const BitPatterns patterns = random_patterns(bits, count, static_cast<uint64_t>(count), positive);
        const auto network = rule.learn(patterns, {});
        for (int64_t k = 0; k < count; ++k)
          ASSERT_EQ(recall(*network, patterns.row_span(k)).changes, 0) << bits << " bits, " << count << " patterns";
      }
    }
}

TEST(PseudoInverse, PatternsThatDependOnEachOtherAreStoredToo) {
  BitPatterns patterns = random_patterns(64, 4, 2);
  const BitPatterns copy = patterns;
  patterns.append(copy.row_span(1));  // twice the same: the Gram matrix has no inverse
  const auto network = find_rule("pseudo_inverse").learn(patterns, {});
  for (int64_t k = 0; k < patterns.count(); ++k) EXPECT_EQ(recall(*network, patterns.row_span(k)).changes, 0);
}

TEST(Hebb, ForgetsBeyondItsCapacity) {
  const BitPatterns patterns = random_patterns(256, 77, 4);
  const auto network = find_rule("hebb").learn(patterns, {});
  int64_t kept = 0;
  for (int64_t k = 0; k < patterns.count(); ++k) kept += recall(*network, patterns.row_span(k)).changes == 0 ? 1 : 0;
  EXPECT_LT(kept, 10);
}

TEST(Rules, CapacitiesAreThoseOfTheFormulas) {
  EXPECT_NEAR(find_rule("hebb").capacity(1024), 73.9, 0.1);
  EXPECT_NEAR(find_rule("storkey").capacity(1024), 275.0, 0.1);
  EXPECT_EQ(find_rule("pseudo_inverse").capacity(1024), 1023);
  EXPECT_TRUE(std::isinf(find_rule("softmax").capacity(1024)));
}

TEST(Rules, WhatTheyCannotHoldIsRefused) {
  EXPECT_THAT(error_of([] { find_rule("hebbian"); }),
              testing::HasSubstr("no learning rule 'hebbian': wanted one of softmax"));
  EXPECT_THAT(error_of([] { find_rule("storkey").learn(BitPatterns(16385, 1), {}); }),
              testing::HasSubstr("at most 16384 bits"));
  EXPECT_THAT(error_of([] { find_rule("softmax").learn(BitPatterns(8, 1), {0}); }), testing::HasSubstr("beta is 0"));
}

}  // namespace
}  // namespace tercel::inline hopfield

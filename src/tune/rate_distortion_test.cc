#include "tune/rate_distortion.h"

#include <gmock/gmock.h>

#include <cmath>

#include "quant/cifar_testing.h"

namespace tercel::inline tune {
namespace {

/// A trained network, inputs, and what it answers to them.
struct Fixture {
  Compressor compressor;
  std::vector<Array> inputs;
  Answers answers;

  explicit Fixture(const Model& model = cifar_network())
      : compressor(model, cifar_noise(8, 1), codec::Profile::fast, 1, {}), inputs(cifar_noise(16, 2)) {
    SessionOptions options;
    options.threads = 1;
    Session session(model, options);
    answers = answers_of(session, inputs);
  }

  RateDistortion problem(Allocation allocation = Allocation::fisher) {
    return RateDistortion(compressor, inputs, answers, allocation, 1);
  }
};

Fixture& fixture() {
  static Fixture one;
  return one;
}

TEST(RateDistortion, GenesScaleStepsAndLambda) {
  RateDistortion problem = fixture().problem();
  const Settings plain = problem.settings(2, {});
  EXPECT_EQ(plain.parts, problem.settings(2, Genome(problem.genes(), 0.0)).parts);
  Genome genome(problem.genes(), 0.0);
  genome[1] = 1;
  genome.back() = -1.01;  // rounds to an octave
  const Settings moved = problem.settings(2, genome);
  EXPECT_FLOAT_EQ(moved.parts[0].step, plain.parts[0].step);
  EXPECT_FLOAT_EQ(moved.parts[1].step, 2 * plain.parts[1].step);
  for (size_t i = 0; i < moved.parts.size(); ++i) EXPECT_FLOAT_EQ(moved.parts[i].lambda, plain.parts[i].lambda / 2);
  EXPECT_EQ(moved.vector_steps, plain.vector_steps);
}

TEST(Compressor, ShortBiasesTakeUpErrorsToo) {
  const Compressor& compressor = fixture().compressor;
  for (const LinearSite& site : compressor.sites()) {
    ASSERT_FALSE(site.bias.empty());
    EXPECT_THAT(compressor.vectors(), testing::Contains(site.bias));  // the last has ten elements
  }
}

TEST(RateDistortion, EqualSharesFollowDeviationsOnly) {
  const Settings equal = fixture().problem(Allocation::equal).settings(1, {});
  const Settings fisher = fixture().problem().settings(1, {});
  EXPECT_NE(equal.parts, fisher.parts);
  for (const PartSettings& p : equal.parts) EXPECT_FALSE(p.per_channel_steps);
}

TEST(RateDistortion, CoarserIsSmallerAndFurtherAway) {
  RateDistortion problem = fixture().problem();
  RatePoint last = problem.measure(0.5, {});
  EXPECT_EQ(last.bytes, problem.code(0.5, {}).bytes());
  for (double step_scale : {2.0, 8.0}) {
    const RatePoint next = problem.measure(step_scale, {});
    EXPECT_LT(next.bytes, last.bytes);
    EXPECT_GT(next.kl, last.kl);
    last = next;
  }
  EXPECT_EQ(problem.evaluations(), 3);
}

TEST(ExchangeRate, TradesBytesForDivergenceAlongTheCurve) {
  ExchangeRate rate;
  rate.slope = 4;
  EXPECT_NEAR(rate.merit({1000, 0.01}), rate.merit({2000, 0.01 / 16}), 1e-12);
  EXPECT_NEAR(rate.merit({1000, 0.01}) - rate.merit({900, 0.01}), std::log(10.0 / 9), 1e-12);
  const double measured = fixture().problem().exchange_rate(4).slope;
  EXPECT_GT(measured, 1);
  EXPECT_LT(measured, 20);
}

class Refine : public testing::TestWithParam<Refined (*)(RateDistortion&, double, const RefineOptions&)> {
 protected:
  void SetUp() override {
    if (!can_evolve()) GTEST_SKIP() << "built without pagmo";
  }
};

TEST_P(Refine, IsNeverWorseThanItsStart) {
  for (int evaluations : {4, 60}) {
    RateDistortion problem = fixture().problem();
    RefineOptions options;
    options.evaluations = evaluations;
    const Refined found = GetParam()(problem, 3, options);
    EXPECT_LE(found.evaluations, std::max(evaluations, 6));
    EXPECT_EQ(found.evaluations, problem.evaluations());
    EXPECT_GE(found.gain, 0);
    const RatePoint before = problem.measure(3, {}), after = problem.measure(3, found.genome);
    EXPECT_EQ(before.bytes, found.before.bytes);
    EXPECT_EQ(after.bytes, found.after.bytes);
    EXPECT_EQ(after.kl, found.after.kl);
    const ExchangeRate rate = problem.exchange_rate(3);
    EXPECT_NEAR(rate.merit(before) - rate.merit(after), found.gain, 1e-9);
  }
}

TEST_P(Refine, SameSeedSameGenome) {
  RefineOptions options;
  options.evaluations = 30;
  RateDistortion first = fixture().problem(), second = fixture().problem();
  const Refined a = GetParam()(first, 3, options), b = GetParam()(second, 3, options);
  EXPECT_EQ(a.genome, b.genome);
  EXPECT_EQ(a.after.bytes, b.after.bytes);
}

TEST_P(Refine, StopsWhenToldWithTheBestSoFar) {
  RefineOptions options;
  int told = 0;
  options.progress = [&](std::string_view, double) { return ++told < 12; };
  RateDistortion problem = fixture().problem();
  const Refined found = GetParam()(problem, 3, options);
  EXPECT_TRUE(found.stopped);
  EXPECT_EQ(told, 12);
  EXPECT_LT(found.evaluations, 20);
  EXPECT_GE(found.gain, 0);
}

INSTANTIATE_TEST_SUITE_P(RateDistortion, Refine, testing::Values(&refine, &refine_greedily),
                         [](const auto& which) { return which.index == 0 ? "Evolved" : "Greedy"; });

TEST(RateFront, HoldsWhatNothingBeats) {
  if (!can_evolve()) GTEST_SKIP() << "built without pagmo";
  RateDistortion problem = fixture().problem();
  RefineOptions options;
  options.evaluations = 60;
  const Evolved front = evolve_rate_front(problem, 3, options);
  EXPECT_EQ(front.evaluations, 60);
  ASSERT_GE(front.best.size(), 3u);
  for (size_t i = 1; i < front.best.size(); ++i) {
    EXPECT_GT(front.best[i].objectives[0], front.best[i - 1].objectives[0]);
    EXPECT_LT(front.best[i].objectives[1], front.best[i - 1].objectives[1]);
  }
  // The closed form itself was measured: something on the front is at least as good.
  const RatePoint start = problem.measure(3, {});
  bool matched = false;
  for (const Candidate& c : front.best)
    matched = matched || (c.objectives[0] <= static_cast<double>(start.bytes) && c.objectives[1] <= start.kl);
  EXPECT_TRUE(matched);
}

}  // namespace
}  // namespace tercel::inline tune

#include "quant/drop_estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rng.h"

namespace tercel::inline quant {
namespace {

/// Answers of a network that is right of its own accord as often as it is sure, and the same with every score moved.
struct World {
  Answers before, after;
  std::vector<int> classes;

  World(int pictures, double moved, uint64_t seed) {
    Rng rng(seed);
    constexpr int kClasses = 6;
    for (int i = 0; i < pictures; ++i) {
      std::vector<float> p, q;
      double sum = 0;
      for (int c = 0; c < kClasses; ++c) {
        p.push_back(static_cast<float>(3 * rng.normal()));
        q.push_back(p.back() + static_cast<float>(moved * rng.normal()));
        sum += std::exp(static_cast<double>(p.back()));
      }
      double at = sum * rng.uniform();
      int label = 0;
      while (label + 1 < kClasses && (at -= std::exp(static_cast<double>(p[static_cast<size_t>(label)]))) > 0) ++label;
      before.push_back(p);
      after.push_back(q);
      classes.push_back(label);
    }
  }

  Evaluation evaluation(bool labels) const { return evaluate(before, after, labels ? classes : std::vector<int>{}); }
};

TEST(DropEstimate, IsRightOnTheMeanAndTheBoundHoldsWithFewPictures) {
  for (double moved : {0.02, 0.1, 0.5}) {
    const Evaluation flips = World(40000, moved, 1).evaluation(false);
    const double truth = flips.top1_drop();
    for (int pictures : {24, 40, 250}) {
      double mean = 0;
      int held = 0;
      constexpr int kDraws = 40;
      for (uint64_t seed = 2; seed < 2 + kDraws; ++seed) {
        const World few(pictures, moved, seed);
        const auto third = few.before.begin() + pictures / 3;
        const DropEstimate e =
            DropModel(few.before, {})
                .estimate({few.before.begin(), third}, {few.after.begin(), few.after.begin() + pictures / 3});
        EXPECT_LE(e.flips, e.flips_bound);
        EXPECT_EQ(e.drop, e.flips);
        EXPECT_EQ(e.bound, e.flips_bound);
        mean += e.flips / kDraws;
        held += e.flips_bound >= truth;
      }
      EXPECT_NEAR(mean / truth, 1, 0.35) << moved << ", " << pictures;
      EXPECT_GE(held, 0.9 * kDraws) << moved << ", " << pictures;
    }
  }
}

TEST(DropEstimate, WithLabelsLessIsLostThanChangesItsClass) {
  for (double moved : {0.3, 1.0}) {
    const double truth = World(40000, moved, 1).evaluation(true).top1_drop();
    int held = 0;
    constexpr int kDraws = 20;
    for (uint64_t seed = 2; seed < 2 + kDraws; ++seed) {
      const World some(1000, moved, seed);
      const DropEstimate e = DropModel(some.before, some.classes).estimate(some.before, some.after);
      EXPECT_LT(e.bound, 0.7 * e.flips_bound) << moved;
      held += e.bound >= truth;
    }
    EXPECT_GE(held, 0.9 * kDraws) << moved;
  }
}

TEST(DropEstimate, NothingIsLostWhereNothingMoves) {
  const World world(30, 0, 1);
  EXPECT_EQ(DropModel(world.before, world.classes).estimate(world.before, world.before).bound, 0);
}

TEST(DropEstimate, EverythingIsLostWhereAnswersAreNoNumbers) {
  World world(30, 0.1, 1);
  world.after[7][2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(DropModel(world.before, {}).estimate(world.before, world.after).bound, 1);
  // A network that always answered so has lost nothing.
  world.before[7][2] = world.after[7][2];
  world.before[7] = world.after[7];
  EXPECT_LT(DropModel(World(30, 0.1, 1).before, {}).estimate(world.before, world.after).bound, 1);
}

TEST(DropEstimate, OneClassAndLabelsOutOfRangeAreTaken) {
  const Answers one(30, {0.0f});
  EXPECT_EQ(DropModel(one, std::vector<int>(30, 0)).estimate(one, Answers(30, {0.5f})).drop, 0);
  const World world(30, 0.1, 1);
  // Never answered, so never lost; but a fifth of what changes is taken as lost whatever the labels say.
  const DropEstimate e = DropModel(world.before, std::vector<int>(30, 99)).estimate(world.before, world.after);
  EXPECT_DOUBLE_EQ(e.drop, 0.2 * e.flips);
}

TEST(DropEstimate, ChanceIsAPoissonTail) {
  EXPECT_EQ(chance_of(0, 2), 1);
  EXPECT_NEAR(chance_of(1, 2), 1 - std::exp(-2.0), 1e-12);
  EXPECT_NEAR(chance_of(3, 2), 1 - 5 * std::exp(-2.0), 1e-12);
  EXPECT_LT(chance_of(20, 2), 1e-9);
  EXPECT_EQ(chance_of(1, 0), 0);
}

}  // namespace
}  // namespace tercel::inline quant

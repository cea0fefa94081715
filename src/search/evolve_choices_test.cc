#include "search/evolve_choices.h"

#include <gmock/gmock.h>

#include <limits>

namespace tercel::inline search {
namespace {

/// Neighbours must differ, and gene i wants to be i mod 5: one genome is best.
double rainbow(const Choices& genes) {
  double value = 0;
  for (size_t i = 0; i < genes.size(); ++i) {
    value += genes[i] == static_cast<int32_t>(i % 5) ? 0 : 1;
    if (i > 0 && genes[i] == genes[i - 1]) value += 0.5;
  }
  return value;
}

TEST(EvolveChoices, FindsTheOnlyBest) {
  EvolveChoicesOptions options;
  options.evaluations = 12000;
  const EvolvedChoices found = evolve_choices(rainbow, 20, 5, options);
  EXPECT_EQ(found.value, 0);
  EXPECT_EQ(rainbow(found.best), 0);
  EXPECT_EQ(found.evaluations, 12000);
}

TEST(EvolveChoices, ConvergenceFallsAndEndsAtTheBest) {
  EvolveChoicesOptions options;
  options.evaluations = 1003;
  const EvolvedChoices found = evolve_choices(rainbow, 20, 5, options);
  for (size_t i = 1; i < found.convergence.size(); ++i) {
    EXPECT_LE(found.convergence[i].second, found.convergence[i - 1].second);
    EXPECT_GT(found.convergence[i].first, found.convergence[i - 1].first);
  }
  EXPECT_EQ(found.convergence.back(), std::pair(1003, found.value));
}

TEST(EvolveChoices, SameSeedSameAnswer) {
  EvolveChoicesOptions options;
  options.evaluations = 500;
  options.seed = 3;
  const EvolvedChoices a = evolve_choices(rainbow, 30, 5, options), b = evolve_choices(rainbow, 30, 5, options);
  EXPECT_EQ(a.best, b.best);
  EXPECT_EQ(a.convergence, b.convergence);
}

TEST(EvolveChoices, StartsWhereItIsTold) {
  EvolveChoicesOptions options;
  options.evaluations = 1;
  options.start = {{0, 1, 2, 3, 4, 0}};
  const EvolvedChoices found = evolve_choices(rainbow, 6, 5, options);
  EXPECT_EQ(found.best, options.start[0]);
  EXPECT_EQ(found.value, 0);
}

TEST(EvolveChoices, StopsWhenAsked) {
  EvolveChoicesOptions options;
  options.progress = [](std::string_view, double done) { return done < 0.5; };
  options.evaluations = 100;
  const EvolvedChoices found = evolve_choices(rainbow, 6, 5, options);
  EXPECT_TRUE(found.stopped);
  EXPECT_EQ(found.evaluations, 50);
}

TEST(EvolveChoices, WhatIsNoNumberIsWorst) {
  EvolveChoicesOptions options;
  options.evaluations = 400;
  const auto measure = [](const Choices& genes) {
    return genes[0] != 2 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(genes[1]);
  };
  const EvolvedChoices found = evolve_choices(measure, 2, 4, options);
  EXPECT_EQ(found.value, 0);
  EXPECT_EQ(found.best[0], 2);
}

}  // namespace
}  // namespace tercel::inline search

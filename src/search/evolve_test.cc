#include "search/evolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tercel/error.h"

namespace tercel::inline search {
namespace {

Bounds bounds_of(size_t genes, double low, double high) {
  return {std::vector<double>(genes, low), std::vector<double>(genes, high)};
}

/// A long valley that lies across all axes, its lowest point at 0.5 of every gene.
Objectives valley(const Genome& g) {
  double along = 0, square = 0;
  for (double x : g) along += x - 0.5, square += (x - 0.5) * (x - 0.5);
  const double n = static_cast<double>(g.size());
  return {100 * (square - along * along / n) + along * along / n};
}

/// Fonseca and Fleming's problem in n genes: the front is x_i = t / sqrt(n), |t| <= 1.
Objectives fonseca(const Genome& g) {
  double near = 0, far = 0;
  const double at = 1 / std::sqrt(static_cast<double>(g.size()));
  for (double x : g) near += (x - at) * (x - at), far += (x + at) * (x + at);
  return {1 - std::exp(-near), 1 - std::exp(-far)};
}

class Evolve : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_evolve()) GTEST_SKIP() << "built without pagmo";
  }
};

TEST(EvolveWithoutPagmo, SaysWhatIsMissing) {
  if (can_evolve()) GTEST_SKIP() << "built with pagmo";
  try {
    evolve_one(valley, bounds_of(2, 0, 1), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_THAT(error.what(), testing::HasSubstr("libpagmo-dev"));
  }
}

TEST_F(Evolve, FindsTheFloorOfARotatedValley) {
  EvolveOptions options;
  options.evaluations = 4000;
  options.spread = 0.3;
  const Evolved found = evolve_one(valley, bounds_of(6, -2, 2), options);
  ASSERT_EQ(found.best.size(), 1u);
  EXPECT_LT(found.best[0].objectives[0], 1e-8);
  for (double x : found.best[0].genes) EXPECT_NEAR(x, 0.5, 1e-3);
}

TEST_F(Evolve, StaysInItsBox) {
  EvolveOptions options;
  options.evaluations = 400;
  const Bounds bounds = bounds_of(3, 1, 2);  // the floor of the valley lies outside
  bool inside = true;
  const Measure measure = [&](const Genome& g) {
    for (double x : g) inside = inside && x >= 1 && x <= 2;
    return valley(g);
  };
  EXPECT_NEAR(evolve_one(measure, bounds, options).best.at(0).objectives[0], 0.75, 1e-2);
  evolve_front([&](const Genome& g) { return measure(g), fonseca(g); }, bounds, options);
  EXPECT_TRUE(inside);
}

TEST_F(Evolve, FrontLiesOnTheKnownCurve) {
  EvolveOptions options;
  options.evaluations = 4000;
  const Evolved found = evolve_front(fonseca, bounds_of(3, -2, 2), options);
  EXPECT_EQ(found.evaluations, 4000);
  EXPECT_GT(found.best.size(), 20u);
  EXPECT_LT(found.best.front().objectives[0], 0.1);
  EXPECT_LT(found.best.back().objectives[1], 0.1);
  for (size_t i = 0; i < found.best.size(); ++i) {
    const Objectives& o = found.best[i].objectives;
    // On the curve the roots of -log(1 - f) add up to 2.
    EXPECT_NEAR(std::sqrt(-std::log(1 - o[0])) + std::sqrt(-std::log(1 - o[1])), 2, 0.1);
    if (i > 0) {
      EXPECT_LT(o[1], found.best[i - 1].objectives[1]);
    }
  }
}

TEST_F(Evolve, SameSeedSameAnswer) {
  EvolveOptions options;
  options.evaluations = 300;
  const Bounds bounds = bounds_of(4, -1, 1);
  const auto run = [&](uint64_t seed) {
    options.seed = seed;
    std::vector<Genome> seen;
    const auto noting = [&](Objectives (*f)(const Genome&)) {
      return [&seen, f](const Genome& g) {
        seen.push_back(g);
        return f(g);
      };
    };
    evolve_one(noting(valley), bounds, options);
    evolve_front(noting(fonseca), bounds, options);
    return seen;
  };
  const auto first = run(7);
  EXPECT_EQ(first, run(7));
  EXPECT_NE(first, run(8));
}

TEST_F(Evolve, MeasuresTheStartFirstAndNeverAnswersWorse) {
  const Genome start{0.45, 0.55, 0.5};
  EvolveOptions options;
  options.start = {start};
  const Bounds bounds = bounds_of(3, -2, 2);
  for (int evaluations : {1, 3, 8, 50}) {
    options.evaluations = evaluations;
    std::vector<Genome> seen;
    const Evolved found = evolve_one([&](const Genome& g) { return seen.push_back(g), valley(g); }, bounds, options);
    EXPECT_EQ(found.evaluations, evaluations);
    EXPECT_EQ(seen.size(), static_cast<size_t>(evaluations));
    EXPECT_EQ(seen.front(), start);
    EXPECT_LE(found.best.at(0).objectives, valley(start));
    EXPECT_EQ(found.best.at(0).objectives, valley(found.best.at(0).genes));
  }
}

TEST_F(Evolve, TradesMoreThanTwoObjectives) {
  // The distances to three corners of a triangle: every point within it is on the front, none without.
  const auto measure = [](const Genome& g) {
    return Objectives{std::hypot(g[0], g[1]), std::hypot(g[0] - 1, g[1]), std::hypot(g[0], g[1] - 1)};
  };
  EvolveOptions options;
  options.objectives = 3;
  options.evaluations = 800;
  const Evolved found = evolve_front(measure, bounds_of(2, -2, 2), options);
  EXPECT_GE(found.best.size(), 40u);
  for (const Candidate& c : found.best) {
    ASSERT_EQ(c.objectives.size(), 3u);
    EXPECT_GE(std::min(c.genes[0], c.genes[1]), -0.25);
    EXPECT_LE(c.genes[0] + c.genes[1], 1.35);
  }
}

TEST_F(Evolve, StopsWhenToldWithTheBestSoFar) {
  for (bool front : {false, true}) {
    EvolveOptions options;
    int told = 0;
    options.progress = [&](std::string_view stage, double done) {
      EXPECT_EQ(stage, "search");
      EXPECT_NEAR(done, ++told / 200.0, 1e-9);
      return told < 30;
    };
    const Bounds bounds = bounds_of(3, -1, 1);
    const Evolved found = front ? evolve_front(fonseca, bounds, options) : evolve_one(valley, bounds, options);
    EXPECT_EQ(found.evaluations, 30);
    EXPECT_TRUE(found.stopped);
    EXPECT_FALSE(found.best.empty());
  }
}

TEST_F(Evolve, WhatIsNoNumberIsWorst) {
  EvolveOptions options;
  options.evaluations = 500;
  const auto measure = [](const Genome& g) { return g[0] < 0 ? Objectives{std::nan("")} : valley(g); };
  const Evolved found = evolve_one(measure, bounds_of(2, -2, 2), options);
  EXPECT_LT(found.best.at(0).objectives[0], 1e-3);
}

TEST_F(Evolve, ErrorsOfTheMeasureComeThrough) {
  const auto measure = [](const Genome&) -> Objectives { throw Error(ErrorCode::bad_input, "no such picture"); };
  EXPECT_THROW(evolve_one(measure, bounds_of(2, 0, 1), {}), Error);
}

}  // namespace
}  // namespace tercel::inline search

#include "tune/pattern_assignment.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error_testing.h"
#include "hopfield/patterns_testing.h"

namespace tercel::inline tune {
namespace {

using hopfield::BitPatterns;
using hopfield::random_patterns;

PatternAssignment assigned(const PatternAssignmentProblem& problem, AssignmentMethod method, int evaluations,
                           uint64_t seed = 1) {
  AssignmentOptions options;
  options.method = method;
  options.evaluations = evaluations;
  options.seed = seed;
  return assign_patterns(problem, options);
}

TEST(PatternAssignment, TheCostIsTheCrosstalkInsideNetworks) {
  const BitPatterns patterns = random_patterns(65, 5, 1);
  const PatternAssignmentProblem problem(patterns, 2, 3);
  const auto share = [&](int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t u = 0; u < 65; ++u) sum += patterns.sign(i, u) * patterns.sign(j, u);
    return sum * sum / 65 / 65;
  };
  EXPECT_NEAR(problem.cost({0, 1, 0, 1, 0}), share(0, 2) + share(0, 4) + share(2, 4) + share(1, 3), 1e-12);
  EXPECT_TRUE(problem.fits({0, 1, 0, 1, 0}));
  EXPECT_FALSE(problem.fits({0, 0, 0, 1, 0}));
}

TEST(PatternAssignment, AnyThatFitsIsCheaperThanAnyThatDoesNot) {
  const BitPatterns patterns = random_patterns(40, 6, 1, 0.1);
  const PatternAssignmentProblem problem(patterns, 3, 2);
  double dearest = 0, cheapest = 1e9;
  std::vector<int32_t> all(6);
  for (int code = 0; code < 729; ++code) {
    for (int i = 0, rest = code; i < 6; ++i, rest /= 3) all[static_cast<size_t>(i)] = rest % 3;
    if (problem.fits(all)) dearest = std::max(dearest, problem.cost(all));
    else cheapest = std::min(cheapest, problem.cost(all));
  }
  EXPECT_LT(dearest, cheapest);
}

TEST(PatternAssignment, ExhaustiveIsTheLeastOfAll) {
  const BitPatterns patterns = random_patterns(48, 7, 3, 0.3);
  const PatternAssignmentProblem problem(patterns, 3, 3);
  double least = 1e9;
  std::vector<int32_t> all(7);
  for (int code = 0; code < 2187; ++code) {
    for (int i = 0, rest = code; i < 7; ++i, rest /= 3) all[static_cast<size_t>(i)] = rest % 3;
    least = std::min(least, problem.cost(all));
  }
  const PatternAssignment best = assigned(problem, AssignmentMethod::exhaustive, 1);
  EXPECT_NEAR(best.cost, least, 1e-12);
  // The others find it here, or come near.
  EXPECT_NEAR(assigned(problem, AssignmentMethod::genetic, 4000).cost, least, 1e-12);
  EXPECT_NEAR(assigned(problem, AssignmentMethod::random, 4000).cost, least, 1e-12);
  EXPECT_LE(assigned(problem, AssignmentMethod::greedy, 200).cost, 1.2 * least);
}

TEST(PatternAssignment, EveryMethodFitsAndIsSeeded) {
  const BitPatterns patterns = random_patterns(256, 30, 3, 0.3);
  const PatternAssignmentProblem problem(patterns, 4, 8);
  for (const AssignmentMethod method :
       {AssignmentMethod::greedy, AssignmentMethod::random, AssignmentMethod::genetic}) {
    const PatternAssignment a = assigned(problem, method, 500, 5), b = assigned(problem, method, 500, 5);
    EXPECT_EQ(a.network_of, b.network_of);
    EXPECT_TRUE(problem.fits(a.network_of)) << to_string(method);
    EXPECT_DOUBLE_EQ(a.cost, problem.cost(a.network_of));
    EXPECT_EQ(a.evaluations, 500);
    EXPECT_EQ(a.convergence.back(), std::pair(int64_t{500}, a.cost));
    EXPECT_TRUE(std::is_sorted(a.convergence.begin(), a.convergence.end()));
  }
}

TEST(PatternAssignment, GeneticFromGreedyIsNeverWorse) {
  const BitPatterns patterns = random_patterns(128, 60, 3, 0.25);
  const PatternAssignmentProblem problem(patterns, 6);
  AssignmentOptions options;
  options.method = AssignmentMethod::genetic;
  options.start_greedy = true;
  options.evaluations = 100;
  EXPECT_LE(assign_patterns(problem, options).cost, assigned(problem, AssignmentMethod::greedy, 1).cost);
}

TEST(PatternAssignment, WhatCannotBeAssignedIsRefused) {
  const BitPatterns patterns = random_patterns(64, 30, 3);
  const auto problem = [&](int32_t networks, int64_t capacity) {
    return error_of([&] { PatternAssignmentProblem made(patterns, networks, capacity); });
  };
  EXPECT_THAT(problem(3, 9), testing::HasSubstr("3 networks of 9 patterns each cannot hold 30 patterns"));
  EXPECT_THAT(problem(0, 0), testing::HasSubstr("wanted 1 to 30"));
  EXPECT_THAT(problem(31, 0), testing::HasSubstr("wanted 1 to 30"));
  const PatternAssignmentProblem large(patterns, 10);
  EXPECT_THAT(error_of([&] { assigned(large, AssignmentMethod::exhaustive, 1); }),
              testing::HasSubstr("too many to try all"));
  EXPECT_THAT(error_of([] { parse_assignment_method("ga"); }), testing::HasSubstr("wanted one of greedy, random"));
}

}  // namespace
}  // namespace tercel::inline tune

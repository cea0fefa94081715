// Which network holds which pattern: a quadratic multiple knapsack.
//
// Items are P patterns, knapsacks K networks; x_ik = 1 where pattern i is in network k.
//
//     minimize    sum over k, i < j of  q_ij x_ik x_jk        crosstalk inside the networks
//     subject to  sum over k of x_ik = 1   for every i        every pattern is stored once
//                 sum over i of x_ik <= c  for every k        no network is filled beyond its capacity
//
// with q_ij = (x_i . x_j / N)^2, the square of what pattern j adds to the fields of pattern i. Every item weighs 1. The
// profit of an item is the same wherever it lies, and all are packed, so it drops out; what is left is the (negative)
// profit of pairs, which makes the knapsack quadratic (Hiley and Julstrom 2006). It is NP-hard: with c = P it is the
// partition of a weighted graph into K parts of least inner weight.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "hopfield/bit_patterns.h"
#include "tercel/progress.h"

namespace tercel::inline tune {

/// q_ij of two patterns of `bits` units with that overlap.
inline double crosstalk(int32_t overlap, int64_t bits) {
  const double share = overlap / static_cast<double>(bits);
  return share * share;
}

class PatternAssignmentProblem {
 public:
  /// Throws Error where the networks cannot hold the patterns. capacity 0: as many as it takes when all are filled
  /// evenly.
  PatternAssignmentProblem(const hopfield::BitPatterns& patterns, int32_t networks, int64_t capacity = 0);

  int64_t patterns() const { return patterns_; }
  int32_t networks() const { return networks_; }
  int64_t capacity() const { return capacity_; }
  double pair_cost(int64_t i, int64_t j) const { return costs_[static_cast<size_t>(i * patterns_ + j)]; }

  /// The sum to be minimized. For every network beyond its capacity, more than any packing within it costs is added for
  /// each pattern too many, so that the best of all assignments is one that fits.
  double cost(const std::vector<int32_t>& network_of) const;
  bool fits(const std::vector<int32_t>& network_of) const;

 private:
  int64_t patterns_, capacity_;
  int32_t networks_;
  std::vector<double> costs_;
  double penalty_ = 1;
};

enum class AssignmentMethod {
  greedy,   ///< patterns of most crosstalk first, each where it adds least; then in drawn orders, as evaluations last
  random,   ///< drawn assignments that fit
  genetic,  ///< search/evolve_choices.h from a drawn population
  exhaustive,  ///< all of them, up to the names of the networks
};

/// Throws Error that lists the names.
AssignmentMethod parse_assignment_method(std::string_view name);
std::string_view to_string(AssignmentMethod method);

struct AssignmentOptions {
  AssignmentMethod method = AssignmentMethod::greedy;
  /// Assignments that may be evaluated; the best counts. One greedy construction takes about as long as an evaluation,
  /// and counts as one.
  int evaluations = 1;
  bool start_greedy = false;  ///< genetic: one member of the first population is the greedy assignment
  uint64_t seed = 1;
  Progress progress = {};
};

struct PatternAssignment {
  std::vector<int32_t> network_of;
  double cost = 0;
  int64_t evaluations = 0;
  std::vector<std::pair<int64_t, double>> convergence;  ///< evaluations, least cost so far: where it fell, and the end
};

/// The same seed gives the same assignment. Throws Error where exhaustive search would take more than 2^22 evaluations.
PatternAssignment assign_patterns(const PatternAssignmentProblem& problem, const AssignmentOptions& options = {});

}  // namespace tercel::inline tune

#include "tune/pattern_assignment.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <string>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/shuffle.h"
#include "base/words.h"
#include "hopfield/overlaps.h"
#include "search/evolve_choices.h"

namespace tercel::inline tune {
namespace {

constexpr std::array kMethods{std::pair{AssignmentMethod::greedy, std::string_view("greedy")},
                              std::pair{AssignmentMethod::random, std::string_view("random")},
                              std::pair{AssignmentMethod::genetic, std::string_view("genetic")},
                              std::pair{AssignmentMethod::exhaustive, std::string_view("exhaustive")}};

constexpr int64_t kMostPatterns = 20000;  // 3 GB of pair costs
constexpr double kMostAssignments = 1 << 22;

using Assignment = std::vector<int32_t>;

std::vector<int64_t> numbers_below(int64_t count) {
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  return numbers;
}

/// The best so far, with its history.
class Best {
 public:
  explicit Best(const PatternAssignmentProblem& problem) : problem_(problem) {}

  void offer(const Assignment& assignment) {
    const double cost = problem_.cost(assignment);
    ++found_.evaluations;
    if (!found_.network_of.empty() && cost >= found_.cost) return;
    found_.network_of = assignment;
    found_.cost = cost;
    found_.convergence.emplace_back(found_.evaluations, cost);
  }

  PatternAssignment found() {
    if (found_.convergence.back().first != found_.evaluations)
      found_.convergence.emplace_back(found_.evaluations, found_.cost);
    return std::move(found_);
  }

 private:
  const PatternAssignmentProblem& problem_;
  PatternAssignment found_;
};

/// Each pattern, in this order, goes where it adds least; the first network counts of several.
Assignment place_in_order(const PatternAssignmentProblem& problem, const std::vector<int64_t>& order) {
  const auto networks = static_cast<size_t>(problem.networks());
  Assignment out(static_cast<size_t>(problem.patterns()), -1);
  std::vector<int64_t> load(networks);
  std::vector<double> added(networks);
  for (int64_t i : order) {
    std::fill(added.begin(), added.end(), 0.0);
    for (int64_t j = 0; j < problem.patterns(); ++j)
      if (const int32_t k = out[static_cast<size_t>(j)]; k >= 0)
        added[static_cast<size_t>(k)] += problem.pair_cost(i, j);
    size_t best = networks;
    for (size_t k = 0; k < networks; ++k)
      if (load[k] < problem.capacity() && (best == networks || added[k] < added[best])) best = k;
    out[static_cast<size_t>(i)] = static_cast<int32_t>(best);
    ++load[best];
  }
  return out;
}

Assignment greedy(const PatternAssignmentProblem& problem) {
  std::vector<double> total(static_cast<size_t>(problem.patterns()));
  for (int64_t i = 0; i < problem.patterns(); ++i)
    for (int64_t j = 0; j < problem.patterns(); ++j)
      if (i != j) total[static_cast<size_t>(i)] += problem.pair_cost(i, j);
  std::vector<int64_t> order = numbers_below(problem.patterns());
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return total[static_cast<size_t>(a)] > total[static_cast<size_t>(b)]; });
  return place_in_order(problem, order);
}

/// Patterns in a drawn order, dealt out in turn: networks are filled evenly, within any capacity.
Assignment drawn(const PatternAssignmentProblem& problem, Rng& rng) {
  std::vector<int64_t> order = numbers_below(problem.patterns());
  shuffle(order, rng);
  Assignment out(order.size());
  for (size_t n = 0; n < order.size(); ++n)
    out[static_cast<size_t>(order[n])] = static_cast<int32_t>(n % static_cast<size_t>(problem.networks()));
  return out;
}

/// Networks are the same but for their names: a pattern goes into one that is used already, or the next fresh one.
void try_all(const PatternAssignmentProblem& problem, Assignment& assignment, size_t next, int32_t used, Best& best) {
  if (next == assignment.size()) {
    if (problem.fits(assignment)) best.offer(assignment);
    return;
  }
  for (int32_t k = 0; k < std::min(used + 1, problem.networks()); ++k) {
    assignment[next] = k;
    try_all(problem, assignment, next + 1, std::max(used, k + 1), best);
  }
}

/// Ways to put so many patterns into at most so many networks without names.
double count_assignments(int64_t patterns, int32_t networks) {
  std::vector<double> ways(static_cast<size_t>(networks) + 1);
  ways[0] = 1;
  for (int64_t i = 0; i < patterns; ++i) {
    for (size_t k = ways.size() - 1; k > 0; --k) ways[k] = ways[k] * static_cast<double>(k) + ways[k - 1];
    ways[0] = 0;
  }
  return std::accumulate(ways.begin(), ways.end(), 0.0);
}

PatternAssignment evolved(const PatternAssignmentProblem& problem, const AssignmentOptions& options) {
  EvolveChoicesOptions evolve;
  evolve.evaluations = options.evaluations;
  evolve.seed = options.seed;
  evolve.stage = "assign patterns";
  evolve.progress = options.progress;
  Rng rng(options.seed);
  while (std::ssize(evolve.start) < evolve.population) evolve.start.push_back(drawn(problem, rng));
  if (options.start_greedy) evolve.start[0] = greedy(problem);
  const EvolvedChoices found = evolve_choices([&](const Choices& genes) { return problem.cost(genes); },
                                              static_cast<size_t>(problem.patterns()), problem.networks(), evolve);
  return {found.best, found.value, found.evaluations, {found.convergence.begin(), found.convergence.end()}};
}

}  // namespace

PatternAssignmentProblem::PatternAssignmentProblem(const hopfield::BitPatterns& patterns, int32_t networks,
                                                   int64_t capacity)
    : patterns_(patterns.count()), capacity_(capacity), networks_(networks) {
  if (patterns_ < 1) fail_input("no pattern to assign");
  if (patterns_ > kMostPatterns) fail_input("{} patterns to assign: at most {} are possible", patterns_, kMostPatterns);
  if (networks < 1 || networks > patterns_)
    fail_input("{} networks for {} patterns: wanted 1 to {}", networks, patterns_, patterns_);
  if (capacity_ == 0) capacity_ = div_up(patterns_, int64_t{networks});
  if (capacity_ < 0 || capacity_ * networks < patterns_)
    fail_input("{} networks of {} patterns each cannot hold {} patterns", networks, capacity_, patterns_);
  costs_.resize(static_cast<size_t>(patterns_ * patterns_));
  for (int64_t i = 0; i < patterns_; ++i) {
    const std::vector<int32_t> a = overlaps(patterns.row(i), patterns);
    for (int64_t j = 0; j < patterns_; ++j) {
      const double cost = crosstalk(a[static_cast<size_t>(j)], patterns.bits());
      costs_[static_cast<size_t>(i * patterns_ + j)] = cost;
      if (i < j) penalty_ += cost;
    }
  }
}

double PatternAssignmentProblem::cost(const std::vector<int32_t>& network_of) const {
  TERCEL_CHECK(std::ssize(network_of) == patterns_);
  std::vector<int64_t> load(static_cast<size_t>(networks_));
  double sum = 0;
  for (int64_t i = 0; i < patterns_; ++i) {
    const int32_t k = network_of[static_cast<size_t>(i)];
    if (++load[static_cast<size_t>(k)] > capacity_) sum += penalty_;
    const double* costs = costs_.data() + i * patterns_;
    for (int64_t j = 0; j < i; ++j)
      if (network_of[static_cast<size_t>(j)] == k) sum += costs[j];
  }
  return sum;
}

bool PatternAssignmentProblem::fits(const std::vector<int32_t>& network_of) const {
  std::vector<int64_t> load(static_cast<size_t>(networks_));
  for (int32_t k : network_of)
    if (++load[static_cast<size_t>(k)] > capacity_) return false;
  return true;
}

AssignmentMethod parse_assignment_method(std::string_view name) {
  if (const auto method = kind_of(kMethods, name)) return *method;
  fail_input("there is no assignment of patterns '{}': wanted one of {}", name, words_of(kMethods));
}

std::string_view to_string(AssignmentMethod method) { return word_of(kMethods, method); }

PatternAssignment assign_patterns(const PatternAssignmentProblem& problem, const AssignmentOptions& options) {
  if (options.evaluations < 1) fail_input("{} evaluations: wanted at least one", options.evaluations);
  if (options.method == AssignmentMethod::genetic) return evolved(problem, options);
  Best best(problem);
  Rng rng(options.seed);
  if (options.method == AssignmentMethod::exhaustive) {
    const double ways = count_assignments(problem.patterns(), problem.networks());
    if (ways > kMostAssignments)
      fail_input(
          "{} patterns in {} networks: {:.2g} assignments are too many to try all; greedy, random and genetic "
          "take any number",
          problem.patterns(), problem.networks(), ways);
    Assignment assignment(static_cast<size_t>(problem.patterns()));
    try_all(problem, assignment, 0, 0, best);
    return best.found();
  }
  std::vector<int64_t> order = numbers_below(problem.patterns());
  for (int n = 0; n < options.evaluations; ++n) {
    if (options.progress && !options.progress("assign patterns", static_cast<double>(n) / options.evaluations) && n > 0)
      break;
    if (options.method == AssignmentMethod::random) {
      best.offer(drawn(problem, rng));
    } else if (n == 0) {
      best.offer(greedy(problem));
    } else {
      shuffle(order, rng);
      best.offer(place_in_order(problem, order));
    }
  }
  return best.found();
}

}  // namespace tercel::inline tune

#include "search/evolve.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"

#ifdef TERCEL_HAVE_PAGMO
#include <pagmo/algorithms/cmaes.hpp>
#include <pagmo/algorithms/nsga2.hpp>
#include <pagmo/population.hpp>
#include <pagmo/problem.hpp>
#include <pagmo/types.hpp>
#endif

namespace tercel::inline search {

#ifdef TERCEL_HAVE_PAGMO

bool can_evolve() { return true; }

namespace {

constexpr double kWorst = 1e300;  // pagmo sorts objectives: they must be numbers

/// Leaves pagmo's loops, which know no other way out, from within a measurement.
struct Enough {};

bool beats(const Objectives& a, const Objectives& b) {
  bool better = false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    better = better || a[i] < b[i];
  }
  return better;
}

/// Everything a search has seen, kept outside of pagmo so that stopping loses nothing.
class Record {
 public:
  Record(const Measure& measure, const EvolveOptions& options, size_t objectives)
      : measure_(measure), options_(options), objectives_(objectives) {}

  Objectives measure(const Genome& genes) {
    if (found_.evaluations >= options_.evaluations) throw Enough{};
    Objectives values = measure_(genes);
    TERCEL_CHECK(values.size() == objectives_);
    for (double& v : values) v = std::isfinite(v) ? std::clamp(v, -kWorst, kWorst) : kWorst;
    ++found_.evaluations;
    keep(genes, values);
    if (options_.progress &&
        !options_.progress(options_.stage, static_cast<double>(found_.evaluations) / options_.evaluations)) {
      found_.stopped = true;
      throw Enough{};
    }
    return values;
  }

  Evolved found() {
    std::stable_sort(found_.best.begin(), found_.best.end(),
                     [](const Candidate& a, const Candidate& b) { return a.objectives < b.objectives; });
    return std::move(found_);
  }

 private:
  void keep(const Genome& genes, const Objectives& values) {
    std::vector<Candidate>& best = found_.best;
    for (const Candidate& c : best)
      if (c.objectives == values || beats(c.objectives, values)) return;
    std::erase_if(best, [&](const Candidate& c) { return beats(values, c.objectives); });
    best.push_back({genes, values});
  }

  const Measure& measure_;
  const EvolveOptions& options_;
  size_t objectives_;
  Evolved found_;
};

/// As pagmo wants a problem to be: default constructible and copyable.
struct Problem {
  Record* record = nullptr;
  const Bounds* bounds = nullptr;
  size_t objectives = 1;

  pagmo::vector_double fitness(const pagmo::vector_double& genes) const { return record->measure(genes); }
  std::pair<pagmo::vector_double, pagmo::vector_double> get_bounds() const { return {bounds->low, bounds->high}; }
  pagmo::vector_double::size_type get_nobj() const { return objectives; }
  pagmo::thread_safety get_thread_safety() const { return pagmo::thread_safety::none; }
};

void check(const Bounds& bounds, const EvolveOptions& options) {
  TERCEL_CHECK(!bounds.low.empty() && bounds.low.size() == bounds.high.size());
  for (size_t i = 0; i < bounds.low.size(); ++i) TERCEL_CHECK(bounds.low[i] < bounds.high[i]);
  for (const Genome& g : options.start) TERCEL_CHECK(g.size() == bounds.low.size());
  TERCEL_CHECK(options.evaluations > 0);
}

/// The start, then mutants of its members in turn, or, without a start, genomes from all over the bounds.
pagmo::population first_population(const pagmo::problem& problem, const Bounds& bounds, const EvolveOptions& options,
                                   size_t size, unsigned seed) {
  pagmo::population population(problem, 0u, seed);
  Rng rng(options.seed);
  for (size_t k = 0; k < std::max(size, options.start.size()); ++k) {
    Genome genes(bounds.low.size());
    for (size_t i = 0; i < genes.size(); ++i) {
      const double low = bounds.low[i], high = bounds.high[i];
      if (options.start.empty()) genes[i] = rng.uniform(low, high);
      else genes[i] = options.start[k % options.start.size()][i];
      if (k >= options.start.size() && !options.start.empty()) genes[i] += options.spread * (high - low) * rng.normal();
      genes[i] = std::clamp(genes[i], low, high);
    }
    population.push_back(genes);
  }
  return population;
}

/// `search` runs on a population until it settles or Enough is thrown.
template <typename Search>
Evolved evolve(const Measure& measure, const Bounds& bounds, const EvolveOptions& options, size_t objectives,
               size_t population, Search&& search) {
  check(bounds, options);
  Record record(measure, options, objectives);
  const auto seed = static_cast<unsigned>(Rng(options.seed).next());
  try {
    const pagmo::problem problem{Problem{&record, &bounds, objectives}};
    search(first_population(problem, bounds, options, population, seed), seed);
  } catch (const Enough&) {
  }
  return record.found();
}

}  // namespace

Evolved evolve_one(const Measure& measure, const Bounds& bounds, const EvolveOptions& options) {
  const auto size = static_cast<size_t>(
      options.population > 0 ? std::max(options.population, 5)
                             : 4 + static_cast<int>(3 * std::log(static_cast<double>(bounds.low.size()) + 1)));
  return evolve(measure, bounds, options, 1, std::max<size_t>(size, 5),
                [&](const pagmo::population& population, unsigned seed) {
                  const auto generations = static_cast<unsigned>(options.evaluations);
                  const pagmo::cmaes algorithm(generations, -1, -1, -1, -1, options.spread, 1e-12, 1e-8, false,
                                               /*force_bounds=*/true, seed);
                  algorithm.evolve(population);
                });
}

Evolved evolve_front(const Measure& measure, const Bounds& bounds, const EvolveOptions& options) {
  const size_t fours = (static_cast<size_t>(options.population > 0 ? options.population : 24) + 3) / 4;
  const size_t size = 4 * std::max<size_t>(fours, 2);  // NSGA-II pairs its parents twice
  TERCEL_CHECK(options.start.size() <= size);
  TERCEL_CHECK(options.objectives >= 2);
  return evolve(measure, bounds, options, static_cast<size_t>(options.objectives), size,
                [&](const pagmo::population& population, unsigned seed) {
                  const auto generations = static_cast<unsigned>(options.evaluations) / static_cast<unsigned>(size) + 1;
                  const double mutation =
                      std::min(1.0, 1.5 / static_cast<double>(bounds.low.size()));  // one or two genes a child
                  const pagmo::nsga2 algorithm(generations, 0.95, 10, mutation, 20, seed);
                  algorithm.evolve(population);
                });
}

#else

bool can_evolve() { return false; }

namespace {

[[noreturn]] void fail_without_pagmo() {
  fail_unsupported("evolutionary search: this Tercel was built without pagmo (Debian: libpagmo-dev)");
}

}  // namespace

Evolved evolve_one(const Measure&, const Bounds&, const EvolveOptions&) { fail_without_pagmo(); }
Evolved evolve_front(const Measure&, const Bounds&, const EvolveOptions&) { fail_without_pagmo(); }

#endif

}  // namespace tercel::inline search

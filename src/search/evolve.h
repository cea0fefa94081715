// Evolutionary search over boxes of real numbers: an interface to pagmo (Biscani and Izzo 2020, JOSS 5(53), 2338).
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "tercel/progress.h"

namespace tercel::inline search {

using Genome = std::vector<double>;
using Objectives = std::vector<double>;  ///< all to be made small

/// What each gene may be: low < high.
struct Bounds {
  std::vector<double> low, high;
};

struct Candidate {
  Genome genes;
  Objectives objectives;
};

/// Must give the same answer for the same genes; is called from one thread.
using Measure = std::function<Objectives(const Genome&)>;

struct EvolveOptions {
  int evaluations = 200;      ///< never more, and exactly as many unless the search settles or is stopped before
  int objectives = 2;         ///< of evolve_front: what the measure returns
  int population = 0;         ///< 0: 4 + 3 ln(genes) for evolve_one, 24 for evolve_front
  std::vector<Genome> start;  ///< the first to be measured, in this order; the first is where evolve_one starts from
  double spread = 0.1;        ///< of the first population around the start, in widths of the bounds
  uint64_t seed = 1;          ///< the same seed and measure give the same answer
  std::string_view stage = "search";
  Progress progress;  ///< answers false: the best so far is the answer
};

struct Evolved {
  std::vector<Candidate> best;  ///< one, or the front by its first objective: none is beaten in all objectives
  int evaluations = 0;          ///< calls of the measure
  bool stopped = false;         ///< by progress
};

/// Is pagmo part of this build? Without it the searches throw Error(unsupported).
bool can_evolve();

/// The genome of the least value of one objective: CMA-ES (Hansen 2006). What is not finite counts as worst.
Evolved evolve_one(const Measure& measure, const Bounds& bounds, const EvolveOptions& options);

/// What can be traded for what, between options.objectives objectives: NSGA-II (Deb et al. 2002).
Evolved evolve_front(const Measure& measure, const Bounds& bounds, const EvolveOptions& options);

}  // namespace tercel::inline search

// Evolutionary search over genomes of choices: each gene is one of a few alternatives. A genetic algorithm (Holland
// 1975) with tournaments, uniform crossover, elites, and two mutations: a gene drawn anew, and two genes exchanged.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "tercel/progress.h"

namespace tercel::inline search {

using Choices = std::vector<int32_t>;  ///< from 0

struct EvolveChoicesOptions {
  int evaluations = 6000;  ///< never more, and exactly as many unless stopped before
  int population = 40;
  int tournament = 3;          ///< parents are the best of so many
  int elites = 2;              ///< go on unchanged
  double exchange = 0.5;       ///< part of the children in which two genes are exchanged besides
  std::vector<Choices> start;  ///< members of the first population; the others are drawn
  uint64_t seed = 1;           ///< the same seed and measure give the same answer
  std::string_view stage = "search";
  Progress progress;  ///< answers false: the best so far is the answer
};

struct EvolvedChoices {
  Choices best;  ///< the first found of the least value
  double value = 0;
  int evaluations = 0;
  bool stopped = false;
  /// The least value so far, after each generation and at the end: evaluations, value.
  std::vector<std::pair<int, double>> convergence;
};

/// The genome of the least value. NaN counts as worst. `measure` is called from one thread.
EvolvedChoices evolve_choices(const std::function<double(const Choices&)>& measure, size_t genes, int32_t alternatives,
                              const EvolveChoicesOptions& options);

}  // namespace tercel::inline search

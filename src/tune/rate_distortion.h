// Per-layer scales and lambda, chosen by the size of the coded network and the divergence of its answers.
#pragma once

#include <cstdint>
#include <vector>

#include "search/evolve.h"
#include "tune/compressor.h"

namespace tercel::inline tune {

/// Rate and distortion of a candidate.
struct RatePoint {
  int64_t bytes = 0;  ///< of all streams, exact
  double kl = 0;      ///< mean divergence of its answers from the reference network's, in nats
};

/// The slope of the closed form's rate-distortion curve at one point. There log(kl) falls by `slope` for
/// each unit that log(bytes) grows, so candidates of different sizes compare by the bytes they would have at equal
/// divergence.
struct ExchangeRate {
  double slope = 4;
  /// log of the bytes at a divergence of 1: less is better; two candidates differ by the part of the file one saves.
  double merit(const RatePoint& point) const;
};

/// One network's candidates. A genome holds the log2 of a factor for every part's step, then one for lambda, around the
/// settings of a step scale; an empty genome is those settings themselves.
class RateDistortion {
 public:
  /// `pictures`, and `reference`: the reference network's answers to them, must outlive this.
  RateDistortion(Compressor& compressor, const std::vector<Array>& pictures, const Answers& reference,
                 Allocation allocation, int threads);

  size_t genes() const { return compressor_.parts().size() + 1; }
  size_t pictures() const { return pictures_.size(); }
  const Compressor& compressor() const { return compressor_; }

  /// Factors are rounded to an eighth of an octave, so that the compressor finds parts in its cache.
  Settings settings(double step_scale, const Genome& genome) const;
  Coded code(double step_scale, const Genome& genome) { return compressor_.code(settings(step_scale, genome)); }
  /// Codes, and runs the coded network on the first `count` pictures.
  RatePoint measure(double step_scale, const Genome& genome, size_t count);
  RatePoint measure(double step_scale, const Genome& genome) { return measure(step_scale, genome, pictures()); }
  ExchangeRate exchange_rate(double step_scale);
  /// Networks measured so far.
  int evaluations() const { return evaluations_; }

 private:
  Compressor& compressor_;
  const std::vector<Array>& pictures_;
  const Answers& reference_;
  Allocation allocation_;
  int threads_;
  std::vector<Array> some_;  // the first pictures, as many as were last asked for
  int evaluations_ = 0;
};

struct RefineOptions {
  int evaluations = 100;  ///< of which two measure the exchange rate
  uint64_t seed = 1;
  Progress progress;  ///< answers false: the best so far is the answer
};

struct Refined {
  Genome genome;            ///< empty: nothing better was found
  RatePoint before, after;  ///< at the step scale given, on all pictures
  double gain = 0;          ///< log of the bytes saved at equal divergence; never negative
  int evaluations = 0;
  bool stopped = false;
};

/// Better per-layer scales than the closed form's: CMA-ES by merit, on few pictures first; each stage starts from the
/// best of the one before (successive halving). The best of each stage is measured on all pictures.
Refined refine(RateDistortion& problem, double step_scale, const RefineOptions& options);

/// The same by greedy search: part by part, the largest first, up to an octave finer and coarser in quarters, keeping
/// what has more merit (the inference-based search of per-tensor steps in Fraunhofer's NNCodec).
Refined refine_greedily(RateDistortion& problem, double step_scale, const RefineOptions& options);

/// Candidates that no other beats in both bytes and divergence: NSGA-II over genomes with a further, last gene: the
/// log2 of the step scale, at most an octave from the one given.
Evolved evolve_rate_front(RateDistortion& problem, double step_scale, const RefineOptions& options);

}  // namespace tercel::inline tune

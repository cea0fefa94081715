// Steps of layers and the price of a bit, chosen by what the coded network weighs and answers.
#pragma once

#include <cstdint>
#include <vector>

#include "search/evolve.h"
#include "tune/compressor.h"

namespace tercel::inline tune {

/// What a candidate costs and harms.
struct RatePoint {
  int64_t bytes = 0;  ///< of all streams, exact
  double kl = 0;      ///< mean divergence of its answers from those of the network as it was, in nats
};

/// What bytes are worth in divergence near one place of the closed form's curve. There log(kl) falls by `slope` for
/// each unit that log(bytes) grows, so candidates of different sizes compare by the bytes they would have at equal
/// divergence.
struct ExchangeRate {
  double slope = 4;
  /// log of the bytes at a divergence of 1: less is better; two candidates differ by the part of the file one saves.
  double merit(const RatePoint& point) const;
};

/// One network's candidates. A genome holds the log2 of a factor for every part's step, then one for lambda, around the
/// settings of a strength; an empty genome is those settings themselves.
class RateDistortion {
 public:
  /// `pictures` and what the network as it was answers to them must outlive this.
  RateDistortion(Compressor& compressor, const std::vector<Array>& pictures, const Answers& reference,
                 Allocation allocation, int threads);

  size_t genes() const { return compressor_.parts().size() + 1; }
  size_t pictures() const { return pictures_.size(); }
  const Compressor& compressor() const { return compressor_; }

  /// Factors are rounded to an eighth of an octave, so that parts come back in the memory of the compressor.
  Settings settings(double strength, const Genome& genome) const;
  Coded code(double strength, const Genome& genome) { return compressor_.code(settings(strength, genome)); }
  /// Codes, and runs the coded network on the first `count` pictures.
  RatePoint measure(double strength, const Genome& genome, size_t count);
  RatePoint measure(double strength, const Genome& genome) { return measure(strength, genome, pictures()); }
  ExchangeRate exchange_rate(double strength);
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

struct PolishOptions {
  int evaluations = 100;  ///< of which two tell the exchange rate
  uint64_t seed = 1;
  Progress progress;  ///< answers false: the best so far is the answer
};

struct Polished {
  Genome genome;            ///< empty: nothing better was found
  RatePoint before, after;  ///< at the strength given, on all pictures
  double gain = 0;          ///< log of the bytes saved at equal divergence; never negative
  int evaluations = 0;
  bool stopped = false;
};

/// Better shares for the parts than the closed form's: CMA-ES by merit, on few pictures first, the best of each stage
/// started from in the next (successive halving). The last word is spoken on all pictures.
Polished polish(RateDistortion& problem, double strength, const PolishOptions& options);

/// The same by hand: part by part, the largest first, up to an octave finer and coarser in quarters, keeping what has
/// more merit (the inference-based search of per-tensor steps in Fraunhofer's NNCodec).
Polished polish_greedily(RateDistortion& problem, double strength, const PolishOptions& options);

/// Candidates that no other beats in both bytes and divergence: NSGA-II over genomes with a further, last gene: the
/// log2 of the strength, at most an octave from the one given.
Evolved evolve_rate_front(RateDistortion& problem, double strength, const PolishOptions& options);

}  // namespace tercel::inline tune

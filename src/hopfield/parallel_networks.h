// Several networks in parallel, each holding some of the patterns: the one that settles on a stored pattern with the
// fewest changes names the class (after Keddous and Nakib 2022).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hopfield/recall.h"
#include "hopfield/rule.h"

namespace tercel::inline hopfield {

/// What a memory holds: a class and a network for every pattern. Plain, to be stored.
struct PatternMemory {
  BitPatterns patterns;
  std::vector<int32_t> classes;   ///< of each pattern, from 0
  std::vector<int32_t> networks;  ///< the network of each pattern, from 0

  int32_t network_count() const;
  int64_t most_in_network() const;  ///< patterns of the fullest network
  /// Throws Error: no pattern, counts that differ, a negative class or network.
  void check() const;
};

/// How one network settled.
struct NetworkOutcome {
  StateKind kind = StateKind::spurious;
  int64_t pattern = 0;  ///< of the memory
  int64_t changes = 0;
  int sweeps = 0;
  RecallEnd end = RecallEnd::fixed_point;

  /// A stored pattern, at rest. What is not is rejected.
  bool recalled() const { return kind == StateKind::stored && end == RecallEnd::fixed_point; }
};

struct Verdict {
  int32_t class_index = 0;
  int64_t pattern = 0;        ///< of the memory
  int64_t changes = 0;        ///< of the network that named it
  bool settled = false;       ///< false: no network settled on a stored pattern, and the nearest to the probe counts
  int32_t nearest_class = 0;  ///< of the stored pattern nearest to the probe
  std::vector<NetworkOutcome> networks;
};

class ParallelNetworks {
 public:
  /// Networks without a pattern are left out.
  ParallelNetworks(PatternMemory memory, const Rule& rule, const RuleOptions& options = {});

  const PatternMemory& memory() const { return memory_; }
  size_t bytes() const;

  /// Is that pattern a fixed point of its network?
  bool keeps(int64_t pattern) const;

  /// Every network settles from the probe. States that are no stored pattern - inverses, mixtures, those of a network
  /// that reached the bound or a cycle - are rejected; of the others the one with the fewest changes counts, then the
  /// one whose pattern is nearest to the probe, then the first. Where all are rejected, the stored pattern nearest to
  /// the probe names the class.
  Verdict decide(std::span<const uint64_t> probe, const RecallOptions& options = {}) const;

  /// A score for each of `classes` classes, larger for likelier; the largest is the verdict's but for ties. Of a class
  /// on which a network settled: bits - 2 * changes of the best one (the overlap of probe and pattern where no unit
  /// flipped twice). Of the others: the overlap of their nearest pattern, and, where some class was settled on, 2 *
  /// bits * (max_sweeps + 1) less, which puts them behind. Of a class without a pattern: minus infinity.
  std::vector<float> scores(std::span<const uint64_t> probe, int64_t classes, const RecallOptions& options = {}) const;

 private:
  struct Part {
    std::unique_ptr<Network> network;
    BitPatterns patterns;
    std::vector<int64_t> numbers;  ///< of these patterns in the memory
  };
  std::vector<NetworkOutcome> settle(std::span<const uint64_t> probe, const RecallOptions& options) const;

  PatternMemory memory_;
  std::vector<Part> parts_;
};

}  // namespace tercel::inline hopfield

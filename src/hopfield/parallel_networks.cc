#include "hopfield/parallel_networks.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/error.h"
#include "hopfield/overlaps.h"

namespace tercel::inline hopfield {

int32_t PatternMemory::network_count() const {
  return networks.empty() ? 0 : *std::max_element(networks.begin(), networks.end()) + 1;
}

int64_t PatternMemory::most_in_network() const {
  std::vector<int64_t> load(static_cast<size_t>(network_count()));
  for (const int32_t network : networks) ++load[static_cast<size_t>(network)];
  return load.empty() ? 0 : *std::max_element(load.begin(), load.end());
}

void PatternMemory::check() const {
  const auto count = static_cast<size_t>(patterns.count());
  if (count == 0) fail_input("a memory without patterns");
  if (classes.size() != count || networks.size() != count)
    fail_input("{} patterns have {} classes and {} networks: wanted one each", count, classes.size(), networks.size());
  for (size_t k = 0; k < count; ++k) {
    if (classes[k] < 0) fail_input("pattern {} has class {}, wanted 0 or more", k, classes[k]);
    // A network is a part of the memory: more of them than patterns are a mistake, and would be allocated.
    if (networks[k] < 0 || static_cast<size_t>(networks[k]) >= count)
      fail_input("pattern {} is in network {}, wanted 0 to {}", k, networks[k], count - 1);
  }
}

ParallelNetworks::ParallelNetworks(PatternMemory memory, const Rule& rule, const RuleOptions& options)
    : memory_(std::move(memory)) {
  memory_.check();
  for (int32_t n = 0; n < memory_.network_count(); ++n) {
    Part part;
    for (size_t k = 0; k < memory_.networks.size(); ++k)
      if (memory_.networks[k] == n) part.numbers.push_back(static_cast<int64_t>(k));
    if (part.numbers.empty()) continue;
    part.patterns = memory_.patterns.selected(part.numbers);
    part.network = rule.learn(part.patterns, options);
    parts_.push_back(std::move(part));
  }
}

size_t ParallelNetworks::bytes() const {
  size_t bytes = 0;
  for (const Part& part : parts_) bytes += part.network->bytes();
  return bytes;
}

bool ParallelNetworks::keeps(int64_t pattern) const {
  RecallOptions one_sweep;
  one_sweep.max_sweeps = 1;
  for (const Part& part : parts_)
    if (std::find(part.numbers.begin(), part.numbers.end(), pattern) != part.numbers.end())
      return recall(*part.network, memory_.patterns.row_span(pattern), one_sweep).changes == 0;
  return false;
}

std::vector<NetworkOutcome> ParallelNetworks::settle(std::span<const uint64_t> probe,
                                                     const RecallOptions& options) const {
  std::vector<NetworkOutcome> outcomes;
  for (const Part& part : parts_) {
    const Recalled recalled = recall(*part.network, probe, options);
    const StateMatch match = match_state(recalled.state, part.patterns);
    outcomes.push_back({match.kind, part.numbers[static_cast<size_t>(match.pattern)], recalled.changes, recalled.sweeps,
                        recalled.end});
  }
  return outcomes;
}

Verdict ParallelNetworks::decide(std::span<const uint64_t> probe, const RecallOptions& options) const {
  Verdict verdict;
  verdict.networks = settle(probe, options);
  const std::vector<int32_t> a = overlaps(probe.data(), memory_.patterns);
  const NetworkOutcome* best = nullptr;
  const auto key = [&](const NetworkOutcome& o) { return std::tuple(o.changes, -a[static_cast<size_t>(o.pattern)]); };
  for (const NetworkOutcome& outcome : verdict.networks)
    if (outcome.recalled() && (best == nullptr || key(outcome) < key(*best))) best = &outcome;
  verdict.settled = best != nullptr;
  const int64_t nearest = std::max_element(a.begin(), a.end()) - a.begin();
  verdict.nearest_class = memory_.classes[static_cast<size_t>(nearest)];
  verdict.pattern = best != nullptr ? best->pattern : nearest;
  verdict.changes = best != nullptr ? best->changes : 0;
  verdict.class_index = memory_.classes[static_cast<size_t>(verdict.pattern)];
  return verdict;
}

std::vector<float> ParallelNetworks::scores(std::span<const uint64_t> probe, int64_t classes,
                                            const RecallOptions& options) const {
  const int64_t bits = memory_.patterns.bits();
  const std::vector<int32_t> a = overlaps(probe.data(), memory_.patterns);
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  std::vector<float> settled(static_cast<size_t>(classes), kNone), nearest(settled);
  const auto raise = [&](std::vector<float>& scores, int64_t pattern, int64_t score) {
    float& best = scores.at(static_cast<size_t>(memory_.classes[static_cast<size_t>(pattern)]));
    best = std::max(best, static_cast<float>(score));
  };
  bool any = false;
  for (const NetworkOutcome& outcome : settle(probe, options)) {
    if (!outcome.recalled()) continue;
    raise(settled, outcome.pattern, bits - 2 * outcome.changes);
    any = true;
  }
  const int64_t behind = any ? 2 * bits * (options.max_sweeps + 1) : 0;
  for (size_t k = 0; k < a.size(); ++k) raise(nearest, static_cast<int64_t>(k), a[k] - behind);
  for (size_t c = 0; c < settled.size(); ++c)
    if (settled[c] == kNone) settled[c] = nearest[c];
  return settled;
}

}  // namespace tercel::inline hopfield

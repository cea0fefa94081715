// Settling a network from a probe, and what the state it settles on is.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "hopfield/network.h"

namespace tercel::inline hopfield {

enum class RecallMode {
  asynchronous,  ///< unit after unit, each seeing those before it: the energy never rises
  synchronous,   ///< all units at once: may end in a cycle of two states
};

/// Throws Error that lists the words.
RecallMode parse_recall_mode(std::string_view word);
std::string_view to_string(RecallMode mode);

struct RecallOptions {
  RecallMode mode = RecallMode::asynchronous;
  int max_sweeps = 50;  ///< over all units: recall ends there, settled or not
  uint64_t seed = 0;    ///< asynchronous: draws the order of the units; 0: as they are numbered
  std::function<void(const NetworkState&)> watch = {};  ///< called at the start and after every change
};

enum class RecallEnd {
  fixed_point,  ///< no unit wants to change
  cycle,        ///< synchronous: the state is the one of two sweeps ago
  bound,        ///< max_sweeps
};

struct Recalled {
  std::vector<uint64_t> state;
  int64_t changes = 0;  ///< flips, those of a unit that flipped back included
  int sweeps = 0;       ///< those in which something changed
  RecallEnd end = RecallEnd::fixed_point;
  double energy = 0;  ///< of the last state
};

Recalled recall(const Network& network, std::span<const uint64_t> probe, const RecallOptions& options = {});

enum class StateKind {
  stored,    ///< a pattern
  inverse,   ///< of a pattern, and no pattern itself: as low in energy under Hebb and the pseudo-inverse
  spurious,  ///< neither, a mixture
};

struct StateMatch {
  StateKind kind = StateKind::spurious;
  int64_t pattern = 0;  ///< the one stored or inverted; of a spurious state, the nearest
  int64_t overlap = 0;  ///< with that pattern
};

/// The first pattern counts where several fit. There must be one.
StateMatch match_state(std::span<const uint64_t> state, const BitPatterns& patterns);

}  // namespace tercel::inline hopfield

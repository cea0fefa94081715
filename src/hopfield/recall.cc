#include "hopfield/recall.h"

#include <numeric>

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/shuffle.h"
#include "hopfield/overlaps.h"

namespace tercel::inline hopfield {
namespace {

/// A field within this of 0 is one of 0: sums of real weights are rounded, and a unit must not flip on that.
constexpr double kNoField = 1e-9;

bool wants_flip(const NetworkState& state, int64_t unit) { return state.sign(unit) * state.field(unit) < -kNoField; }

std::vector<int64_t> order_of(int64_t units, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(units));
  std::iota(order.begin(), order.end(), int64_t{0});
  if (seed == 0) return order;
  Rng rng(seed);
  shuffle(order, rng);
  return order;
}

}  // namespace

RecallMode parse_recall_mode(std::string_view word) {
  if (word == "asynchronous") return RecallMode::asynchronous;
  if (word == "synchronous") return RecallMode::synchronous;
  fail_input("there is no recall '{}': wanted asynchronous or synchronous", word);
}

std::string_view to_string(RecallMode mode) {
  return mode == RecallMode::asynchronous ? "asynchronous" : "synchronous";
}

Recalled recall(const Network& network, std::span<const uint64_t> probe, const RecallOptions& options) {
  TERCEL_CHECK(options.max_sweeps > 0);
  const int64_t units = network.bits();
  const std::unique_ptr<NetworkState> state = network.start(probe);
  const std::vector<int64_t> order = order_of(units, options.seed);
  if (options.watch) options.watch(*state);
  Recalled out;
  const auto flip = [&](int64_t unit) {
    state->flip(unit);
    ++out.changes;
    if (options.watch) options.watch(*state);
  };
  std::vector<int64_t> wanting, wanted_before;
  out.end = RecallEnd::bound;
  for (; out.sweeps < options.max_sweeps; ++out.sweeps) {
    const int64_t before = out.changes;
    if (options.mode == RecallMode::asynchronous) {
      for (int64_t unit : order)
        if (wants_flip(*state, unit)) flip(unit);
    } else {
      wanting.clear();
      for (int64_t unit = 0; unit < units; ++unit)
        if (wants_flip(*state, unit)) wanting.push_back(unit);
      // The units that flipped in the last sweep flip back: that is the state of two sweeps ago.
      if (!wanting.empty() && wanting == wanted_before) {
        out.end = RecallEnd::cycle;
        break;
      }
      for (int64_t unit : wanting) flip(unit);
      std::swap(wanting, wanted_before);
    }
    if (out.changes == before) {
      out.end = RecallEnd::fixed_point;
      break;
    }
  }
  out.state.assign(state->units().begin(), state->units().end());
  out.energy = state->energy();
  return out;
}

StateMatch match_state(std::span<const uint64_t> state, const BitPatterns& patterns) {
  TERCEL_CHECK(patterns.count() > 0);
  const std::vector<int32_t> a = overlaps(state.data(), patterns);
  size_t highest = 0, lowest = 0;
  for (size_t k = 1; k < a.size(); ++k) {
    if (a[k] > a[highest]) highest = k;
    if (a[k] < a[lowest]) lowest = k;
  }
  if (a[highest] == patterns.bits()) return {StateKind::stored, static_cast<int64_t>(highest), a[highest]};
  if (a[lowest] == -patterns.bits()) return {StateKind::inverse, static_cast<int64_t>(lowest), a[lowest]};
  return {StateKind::spurious, static_cast<int64_t>(highest), a[highest]};
}

}  // namespace tercel::inline hopfield

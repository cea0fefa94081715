// For tests: random patterns and probes.
#pragma once

#include "base/rng.h"
#include "hopfield/bit_patterns.h"

namespace tercel::inline hopfield {

/// Each unit is +1 with that probability.
inline BitPatterns random_patterns(int64_t bits, int64_t count, uint64_t seed, double positive = 0.5) {
  Rng rng(seed);
  BitPatterns patterns(bits, count);
  for (int64_t k = 0; k < count; ++k)
    for (int64_t i = 0; i < bits; ++i)
      if (rng.uniform() < positive) BitPatterns::flip(patterns.row(k), i);
  return patterns;
}

/// The row with each unit flipped with that probability.
inline std::vector<uint64_t> disturbed(std::span<const uint64_t> row, int64_t bits, double part, Rng& rng) {
  std::vector<uint64_t> probe(row.begin(), row.end());
  for (int64_t i = 0; i < bits; ++i)
    if (rng.uniform() < part) BitPatterns::flip(probe.data(), i);
  return probe;
}

}  // namespace tercel::inline hopfield

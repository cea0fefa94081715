#include "codec/rans/table.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tercel::codec {

Frequencies normalize_counts(std::span<const uint64_t, kSymbols> counts) {
  uint64_t total = 0;
  for (uint64_t count : counts) total += count;
  TERCEL_CHECK(total > 0);
  Frequencies frequencies{};
  int64_t left = kTableSize;
  for (size_t s = 0; s < kSymbols; ++s) {
    if (counts[s] == 0) continue;
    const double share = static_cast<double>(counts[s]) / static_cast<double>(total);
    frequencies[s] = static_cast<uint16_t>(std::max(1.0, std::floor(share * kTableSize + 0.5)));
    left -= frequencies[s];
  }
  // One step at a time where it costs least or gains most: bits change by count * log2(f / (f +- 1)).
  while (left != 0) {
    const int step = left > 0 ? 1 : -1;
    size_t best = kSymbols;
    double best_cost = 0;
    for (size_t s = 0; s < kSymbols; ++s) {
      if (counts[s] == 0 || frequencies[s] + step == 0) continue;
      const double f = frequencies[s];
      const double cost = static_cast<double>(counts[s]) * std::log(f / (f + step));
      if (best == kSymbols || cost < best_cost) {
        best = s;
        best_cost = cost;
      }
    }
    frequencies[best] = static_cast<uint16_t>(frequencies[best] + step);
    left -= step;
  }
  return frequencies;
}

}  // namespace tercel::codec

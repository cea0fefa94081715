// What CompressOptions::effort buys. The one table: the options' checks, the search and its temperatures read it here.
// It is told to users in include/tercel/compress.h, and in docs/compression.md under "Which option".
#pragma once

#include <iterator>

namespace tercel::inline tune {

struct Effort {
  bool fisher = true;              ///< per-layer scales by Fisher information; else by the deviation of the weights
  bool error_compensation = true;  ///< and both temperatures of a network that ends in a softmax
  int candidates = 0;              ///< with error compensation, for a ratio: the best of so many
  int evaluations = 0;             ///< of the evolutionary search; 0: there is none
};

inline constexpr Effort kEfforts[] = {{false, false},       {true, false},        {true, false},
                                      {true, false},        {true, true, 2},      {true, true, 4},
                                      {true, true, 4, 100}, {true, true, 4, 300}, {true, true, 4, 1000}};
inline constexpr int kMostEffort = static_cast<int>(std::size(kEfforts));

/// Of an effort within 1..kMostEffort.
inline const Effort& effort_of(int effort) { return kEfforts[effort - 1]; }

}  // namespace tercel::inline tune

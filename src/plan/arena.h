// Placing values of known lifetimes in one block of memory.
#pragma once

#include <cstddef>
#include <vector>

namespace tercel::inline plan {

/// A value that must be in memory from step `first` to step `last`, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0;
  int last = 0;
  size_t offset = 0;  ///< set by place_in_arena; a multiple of kAlignment
};

/// Gives offsets so that no two values that live at the same time overlap; returns the size of the block.
/// Greedy by size: the largest first, each into the lowest gap that fits (Pisarchyk and Lee 2020, "Greedy by Size").
size_t place_in_arena(std::vector<Lifetime>& values);

}  // namespace tercel::inline plan

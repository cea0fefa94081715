// Sums over the patterns by the sign that one unit has in each: the inner loop of every rule that keeps no matrix.
#pragma once

#include <bit>

#include "hopfield/bit_patterns.h"

namespace tercel::inline hopfield {

/// Sum of values[k] over the patterns k in which the unit is +1. `column` is a row of BitPatterns::transposed().
template <typename T>
T sum_where_set(std::span<const uint64_t> column, const T* values) {
  T sum = 0;
  for (size_t w = 0; w < column.size(); ++w)
    for (uint64_t rest = column[w]; rest != 0; rest &= rest - 1)
      sum += values[w * 64 + static_cast<size_t>(std::countr_zero(rest))];
  return sum;
}

/// Overlaps of all patterns after the unit became `sign`: it was the other.
inline void flip_in_overlaps(std::span<const uint64_t> column, int sign, std::span<int32_t> overlaps) {
  const int32_t change = 2 * sign;
  for (size_t k = 0; k < overlaps.size(); ++k) overlaps[k] += (column[k / 64] >> (k % 64) & 1) != 0 ? change : -change;
}

}  // namespace tercel::inline hopfield

// Overlaps of bit patterns by population counts: what every rule and every head starts from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/isa.h"
#include "hopfield/bit_patterns.h"

namespace tercel::inline hopfield {

/// out[k] = sum over units of probe_i * row_k,i = bits - 2 * popcount(probe xor row_k): `bits` for the same pattern,
/// -bits for the inverse. Rows lie one after the other, `words` words each.
using OverlapsFunction = void (*)(const uint64_t* probe, const uint64_t* rows, int64_t words, int64_t count,
                                  int64_t bits, int32_t* out);

/// The one for these instructions. AVX-512 counts with VPOPCNTDQ where the machine has it.
OverlapsFunction overlaps_for(const Isa& isa);

/// With the instructions that base/isa.h chooses.
void overlaps(const uint64_t* probe, const BitPatterns& patterns, std::span<int32_t> out);
std::vector<int32_t> overlaps(const uint64_t* probe, const BitPatterns& patterns);

}  // namespace tercel::inline hopfield

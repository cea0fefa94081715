// What a design occupies: DSP blocks, RAM blocks, logic, and the clock it closes at.
//
// The laws are those of PipeCNN's authors (github.com/doonny/basic_knowledge, explore_v4.py), linear in V, L and V L.
// They fitted them on their builds for DE5-net of 2019 (set A here, V L <= 352, with --profile): on its 15 power-of-two
// builds the mean error is 0.6 % for DSP, 1.3 % for RAM and 0.9 % for logic, because it is the very set that was
// fitted; refitted without the build in question (leave one out) it is 1.7 % for RAM and 1.2 % for logic. Beyond V L =
// 256, and on families other than Stratix V, they are extrapolated; two early reports for an Arria 10 (issue 56 of
// PipeCNN) lie 8 and 13 % below the law for RAM.
//
//   DSP    ceil(V L / 2) + base        two 8-bit products a block; base by family and build (below)
//   RAM    583 - 1.6 V + 6 L + 0.6 V L - blocks(PipeCNN's buffers for AlexNet) + blocks(our buffers)
//   LOGIC  63810 + 118 V + 619 L + 69 V L      ALMs
//   fmax   249.6 + 0.85 V - 0.71 L - 0.12 V L  MHz, Stratix V within the published range; elsewhere the board's figure
//
// Where a family has no law (Cyclone V: its shell is nothing like DE5-net's), constants are left out and RAM and logic
// are bounds from below.
#pragma once

#include "fpga/board.h"
#include "tercel/fpga.h"

namespace tercel::inline fpga {

/// Fewest RAM blocks of one shape that hold `depth` words of `width` bits: Arria 10 handbook (Intel 683461), embedded
/// memory configurations; M20K: 512 x 40 to 16K x 1, M10K: 256 x 40 to 8K x 1.
int64_t ram_blocks(int64_t depth_words, int64_t width_bits, int block_kbit);

/// Weight buffer, two window buffers, and the channels too deep for logic (more than 32 words).
int64_t buffer_blocks(const DesignPoint& point, int block_kbit);

/// How a design was built: PipeCNN's builds of 2019 had the vendor's profiling counters in them.
enum class Build { plain, profiled };

/// Both kernel sets have the same multipliers, buffers and ports; the law covers what they share.
/// Buffers of the point are filled in.
FpgaResources estimate_resources(const DesignPoint& point, const Board& board, Build build = Build::plain);

/// MHz, where the point names none.
double expected_clock_mhz(const DesignPoint& point, const Board& board);

/// The law for the clock alone, wherever it is asked.
double clock_law_mhz(int vec, int lane);

/// Is the point within the published builds that the laws were fitted on?
bool within_published_range(const DesignPoint& point, const Board& board);

}  // namespace tercel::inline fpga

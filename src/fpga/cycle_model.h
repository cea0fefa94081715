// How many clocks a layer takes in the pipeline, and what it moves to and from DDR.
//
// Symbols: V = vec, L = lane, G = window_x, f = clock; q lane groups; Cv words of V channels per tap; N = kh kw Cv MAC
// words per output; P output positions; nx = ceil(ow / G) window groups a row; win = kw + (G - 1) sw columns of a
// window. All from the published sources of PipeCNN (github.com/doonny/PipeCNN, memRead, coreConv, memWrite) and its
// authors' notes on design space exploration (github.com/doonny/basic_knowledge, PipeCNN_note.md).
//
//   compute       q N P                                   one MAC word a clock
//   window load   (nx - 1) q rows max(win kh, G kh kw) Cv + q rows max(win kh, rest kh kw) Cv
//                 one word of V a clock, the next window while the present one is used; rows of the whole batch; rest =
//                 outputs of a row's last group
//   pool          PipeCNN: q P, one word of L a clock     Tercel: q (P + P_written ph pw): rows come, then windows of
//                 ph x pw are read element by element; without a pool q P
//   write         PipeCNN: q P L (a byte a clock)         Tercel: q P_written (a word of L a clock)
//   ddr           PipeCNN: weights of fully connected layers only; Tercel: all bytes / effective bandwidth
//   weights       both: once per lane group. Tercel uses a word while it stores it, so the first position of a lane
//                 group waits where DDR gives less than V L bytes a clock: q N (V L f / B - 1)
//   fill          first window: win kh Cv; Tercel also the stages' depth
//   cycles        max(compute + weight wait, window load, pool, write, ddr) + fill; PipeCNN's fill counts as a load
//                 instead, and its residual addition is a pass more
//   time          1.03 cycles / f + 45 us a launch
//
// The constants 1.03 (stalls), 45 us (launch of the kernels) and DE5-net's bandwidth of 14.6 GB/s were fitted on set B
// (src/fpga/published/b_de5net_layers.csv): five convolutions, three fully connected layers. Sets A and D were not
// used. Tercel's own kernels were never synthesized: their cycles are what a simulation of the stages must show, their
// milliseconds take over PipeCNN's stalls and launch.
#pragma once

#include <span>
#include <vector>

#include "fpga/board.h"
#include "fpga/layer_shape.h"
#include "tercel/fpga.h"

namespace tercel::inline fpga {

/// Clocks that a word takes from memRead to memWrite in Tercel's kernels with empty channels: the fill constant.
inline constexpr int64_t kStageDepthCycles = 32;
inline constexpr double kStallFactor = 1.03;
inline constexpr double kLaunchSeconds = 45e-6;

/// How a layer's channels fall on the lanes.
struct LaneGroups {
  int64_t count = 0;          ///< q
  int64_t words_per_tap = 0;  ///< Cv
  int64_t together = 1;       ///< groups that share the lanes: weights across them are zeros
};
LaneGroups lane_groups(const LayerShape& layer, const DesignPoint& point, Kernels kernels);

/// Words of one load of the window buffer, for window_x outputs or a whole row of fewer. Tercel skips columns between
/// windows that do not touch (stride beyond the kernel); PipeCNN loads them.
int64_t window_words(const LayerShape& layer, const DesignPoint& point, Kernels kernels);

/// The clock of a point: its own, else that of resource_model.h.
double clock_mhz(const DesignPoint& point, const Board& board);

/// One layer. The layer and the point have been checked.
LayerEstimate estimate_layer(const LayerShape& layer, const DesignPoint& point, const Board& board, Kernels kernels);

std::vector<LayerEstimate> estimate_layers(std::span<const LayerShape> layers, const DesignPoint& point,
                                           const Board& board, Kernels kernels);

}  // namespace tercel::inline fpga

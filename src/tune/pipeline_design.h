// Where search meets the models of the FPGA: the design points of a board that are best for a network's layers.
#pragma once

#include <span>
#include <vector>

#include "fpga/board.h"
#include "fpga/layer_shape.h"
#include "tercel/fpga.h"

namespace tercel::inline tune {

/// Largest blocks and ALMs that a design may take.
struct FpgaBudget {
  double dsp = 0, ram = 0, logic = 0;
};

/// What is asked for, else 90, 80, 70 % of the board: beyond that PipeCNN's authors found no routable designs (logic),
/// and shells and profilers need their part. Throws Error for limits below 0 or beyond the board.
FpgaBudget budget_of(const Board& board, const ExploreOptions& options);

/// By the models, with why_not where it takes more than the budget.
DesignEstimate estimate(const DesignPoint& point, std::span<const LayerShape> layers, const Board& board,
                        Kernels kernels, const FpgaBudget& budget);

/// The report but for the notes and figures that belong to a model. The layers have been checked.
ExploreReport explore(std::span<const LayerShape> layers, const Board& board, const ExploreOptions& options);

}  // namespace tercel::inline tune

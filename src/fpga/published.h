// Published figures of PipeCNN builds (published/*.csv: sources stand at the head of each file), and the models' beside
// them.
#pragma once

#include <string>
#include <vector>

#include "tercel/fpga.h"

namespace tercel::inline fpga {

/// In the order of the files. Every row's prediction is the model's for PipeCNN's kernels with the published clock
/// (fmax_mhz: the law's).
std::vector<FpgaComparison> compare_published();

/// Published / predicted latency of boards that the constants come from (`fitted` and `held_out` rows), or of others
/// (`new_board` rows, and the former).
LatencyInterval latency_interval(bool calibrated_board);

}  // namespace tercel::inline fpga

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

/// Mean and worst |error| of rows that match; counts none as 0.
struct ErrorSummary {
  int rows = 0;
  double mean = 0, worst = 0;
};
ErrorSummary summarize(const std::vector<FpgaComparison>& rows, const std::string& set, const std::string& quantity,
                       const std::vector<std::string>& uses);

/// Published / predicted latency of boards that the constants come from (`fitted` and `held_out` rows), or of others
/// (`new_board` rows, and the former).
LatencyInterval latency_interval(bool calibrated_board);

}  // namespace tercel::inline fpga

// Second moments of what linear layers read: how much an error in one weight hurts, and which others can make it good.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/linear_site.h"
#include "tercel/model.h"
#include "tercel/progress.h"
#include "tercel/session.h"

namespace tercel {

/// Moments of neighbouring columns of one group. Columns of different blocks count as unrelated, so that VGG's first
/// product (25,088 columns) fits memory.
struct MomentBlock {
  int64_t first = 0, columns = 0;
  std::vector<float> mean;    ///< E[x], one a column
  std::vector<float> second;  ///< E[x x'], columns x columns, row-major
};

/// Of one constant matrix, over all nodes that read it.
struct Moments {
  int64_t count = 0;                             ///< rows seen
  std::vector<std::vector<MomentBlock>> groups;  ///< blocks of each group, in order of columns
};

struct MomentOptions {
  int64_t block_columns = 1024;  ///< at most so many columns a block (whole kernels)
  int64_t places = 256;          ///< rows taken from one input at most
  int threads = 0;
};

/// By name of the weights. The model runs once per input; memory holds the moments and one run.
std::map<std::string, Moments> measure_moments(const Model& model, const std::vector<LinearSite>& sites,
                                               const std::vector<Array>& inputs, const MomentOptions& options = {},
                                               const Progress& progress = {});

}  // namespace tercel

// Second moments of the inputs of linear layers: the sensitivity of the answers to an error in one weight, and which
// weights can compensate it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/linear_site.h"
#include "tercel/model.h"
#include "tercel/progress.h"
#include "tercel/session.h"

namespace tercel::inline quant {

/// Moments of neighbouring columns of one group. Columns of different blocks count as unrelated, so that VGG's first
/// product (25,088 columns) fits memory.
struct MomentBlock {
  int64_t first = 0, columns = 0;
  std::vector<float> mean;    ///< E[x], one a column, under the weights of the positions
  std::vector<float> second;  ///< sum of weighted x x', columns x columns, row-major
};

/// Of one constant matrix, over all nodes that read it.
///
/// Plain: means over all positions. With gradients, Fisher information: a position t weighs |g_t|^2, g the gradient of
/// the log likelihood at the layer's output, summed over positions, averaged over inputs and over the rows of the
/// group: all rows count alike (their own gradients, from few inputs, made steps per row no better on ViT-Ti). Then
/// KL(before || after) is about 1/2 sum_o e_o' second e_o for errors e_o of the rows (Kronecker factors, the rows' side
/// a multiple of the identity; Martens and Grosse 2015, arXiv 1503.05671).
struct Moments {
  std::vector<double> weight;                    ///< of all positions together, one a group
  std::vector<std::vector<MomentBlock>> groups;  ///< blocks of each group, in order of columns
  std::vector<std::vector<float>>
      position_weight;             ///< of each input's positions (InputRows), as `second` sums them; one group
  std::vector<float> bias_weight;  ///< Fisher information of a bias, one a row; empty: plain
};

struct MomentOptions {
  int64_t block_columns = 1024;  ///< at most so many columns a block (whole kernels)
  int64_t positions = 256;       ///< sampled from one input, at most
  int samples = 2;               ///< answers drawn for one input; 0: plain moments
  double temperature = 3;        ///< of the answers drawn: a network that is sure of itself has no gradient
  uint64_t seed = 1;
  int threads = 0;
};

/// By name of the weights. The model runs once per input; memory holds the moments and one run. With samples > 0 throws
/// Error(unsupported) for networks with operators that have no derivative here.
std::map<std::string, Moments> measure_moments(const Model& model, const std::vector<LinearSite>& sites,
                                               const std::vector<Array>& inputs, const MomentOptions& options = {},
                                               const Progress& progress = {});

}  // namespace tercel::inline quant

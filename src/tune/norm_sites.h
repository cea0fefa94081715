// Layer normalizations whose moments can be fixed, and the rewrite that does so.
#pragma once

#include <string>
#include <vector>

#include <Eigen/Core>

#include "graph/graph.h"

namespace tercel::inline tune {

/// A LayerNormalization of unit scale (fold_layernorm has been here) that only matrix products read.
struct NormSite {
  std::string node;    ///< for people
  std::string input;   ///< the value it normalizes
  std::string output;  ///< its result, by which it is found again
  int64_t channels = 0;
  float epsilon = 0;
};

/// In running order. `refused` gets a sentence for every other LayerNormalization.
std::vector<NormSite> find_norm_sites(const Graph& graph, std::vector<std::string>& refused);

/// An affine map that replaces a norm, the same for every input of the network: row t becomes row_scale[t] * x M +
/// shift.
struct NormMap {
  std::vector<double> row_scale;  ///< one per row of an input; empty: 1
  Eigen::MatrixXd matrix;         ///< channels x channels, from the left: x M
  Eigen::VectorXd shift;
};

/// Why `map` cannot replace that norm; empty where it can.
std::string refuse_map(const Graph& graph, const NormSite& site, const NormMap& map);

/// Folds the map into the products that read the norm, and removes it: W' = M W, b' = b + shift W, in double.
void fix_norm(Graph& graph, const NormSite& site, const NormMap& map);

}  // namespace tercel::inline tune

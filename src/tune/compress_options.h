// What options ask for, checked.
#pragma once

#include <vector>

#include "tercel/compress.h"

namespace tercel::inline tune {

constexpr double kMostRatio = 1000;

/// Throws Error for options out of range, or that this build cannot do.
void check_options(const CompressOptions& options);

/// Temperatures of the softmax for the Fisher information. A network that ends in a softmax often gives probabilities
/// near 1: then only a few pictures have gradients. A temperature above 1 gives all of them gradients, of answers that
/// the network does not give. Neither is always better (VGG-16, docs/compression.md), so both are tried.
std::vector<double> temperatures(const Model& optimized, const CompressOptions& options);

}  // namespace tercel::inline tune

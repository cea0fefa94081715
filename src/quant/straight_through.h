// Straight-through estimator: gradients through quantized activations.
#pragma once

#include "graph/graph.h"

namespace tercel::inline quant {

/// Activations that are quantized and dequantized at once become clipped ones, which the gradient passes straight
/// through inside their range (Bengio et al. 2013, arXiv 1308.3432). Values keep their names.
void pass_straight_through(Graph& graph);

}  // namespace tercel::inline quant

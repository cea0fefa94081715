// The passes of a graph through the pipeline's stages, as shapes: what the models of src/fpga need to know of a
// network.
#pragma once

#include <vector>

#include "fpga/layer_shape.h"
#include "graph/graph.h"

namespace tercel::inline engines {

/// Layers in running order. The graph has been through the portable passes and all its types are known. Weights need
/// only their shapes: float networks and quantized ones (QDQ) give the same layers.
///
/// A convolution takes with it what follows in its stream, where nobody else reads it: activation, then a max pooling
/// or the addition of a residual. Other poolings and additions, Pad, Slice and normalizations across channels are
/// layers of their own. Concat and reshapes change only where words lie. Softmax and the like at the end run on the
/// host.
///
/// Throws Error for a network without convolution, and Error(unsupported) that names the nodes which the pipeline has
/// no stage for.
std::vector<LayerShape> layer_shapes(const Graph& graph);

}  // namespace tercel::inline engines

// Activations as nodes, and as the attributes by which fused operators carry them.
#pragma once

#include "graph/graph.h"
#include "tensor/activation.h"

namespace tercel::inline passes {

/// alpha and beta mean what the activation says of them (tensor/activation.h).
struct NodeActivation {
  Activation kind = Activation::none;
  float alpha = 0, beta = 0;
};

/// The activation that this node is; none where it is no activation or its parameters are not constant.
NodeActivation activation_of(const Node& node);

/// Sets the attributes of a fused operator.
void set_activation(Attrs& attrs, const NodeActivation& activation);

}  // namespace tercel::inline passes

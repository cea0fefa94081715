// The layers of three networks as tables, for comparisons with published figures and for tests: no model is needed.
#pragma once

#include <string_view>
#include <vector>

#include "fpga/layer_shape.h"

namespace tercel::inline fpga {

/// "alexnet" (Krizhevsky et al. 2012 with its two groups, 227x227, pooling in the stream; its normalization layers are
/// left out, as PipeCNN's totals leave them out), "vgg16" (Simonyan and Zisserman 2014) and "resnet50" (He et al. 2015,
/// stride in the 3x3 convolution as torchvision has it). Throws Error that lists them.
std::vector<LayerShape> known_network(std::string_view name, int64_t batch = 1);

}  // namespace tercel::inline fpga

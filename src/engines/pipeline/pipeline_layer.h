// A layer of the pipeline: what its kernels are told, and what reports say of it.
#pragma once

#include <string>

#include "engines/pipeline/device/layer.h"
#include "fpga/layer_shape.h"

namespace tercel::inline engines {

/// One trip through the pipeline, or one normalization.
struct PipelineLayer {
  std::string node, op;     ///< the graph's; of fused nodes "Conv + MaxPool + Add"
  std::string result;       ///< type of the result, in words
  bool normalizes = false;  ///< `norm` counts, else `layer`
  Layer layer{};
  Norm norm{};
  int64_t macs = 0;
  int64_t tiles() const { return int64_t{layer.lane_groups} * layer.images * layer.bands; }
};

/// A layer as the cycle model knows it (fpga/cycle_model.h).
LayerShape shape_of(const PipelineLayer& layer);

}  // namespace tercel::inline engines

// A graph as layers of the pipeline: what the kernels are told, and what lies in memory.
#pragma once

#include <string>
#include <vector>

#include "engines/engine.h"
#include "engines/pipeline/device/layer.h"
#include "engines/pipeline/feature_map.h"
#include "fpga/layer_shape.h"
#include "tercel/fpga.h"

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

/// A graph's input or output, and what the host does with it: levels are packed and unpacked; floats are made levels
/// and back.
struct HostPort {
  ProgramPort port;
  FeatureMap map;
  int64_t index = 0;  ///< of the graph's inputs; of the outputs, or of the tail's inputs
};

struct PipelineNetwork {
  DesignPoint design;
  std::vector<PipelineLayer> layers;
  std::vector<ProgramPort> inputs, outputs;  ///< of the graph, in its order
  std::vector<HostPort> loads;               ///< a graph's input may be made levels more than once
  std::vector<HostPort> stores;
  std::vector<std::string> host_nodes;  ///< what the host does: first and last nodes
  std::unique_ptr<const Program> tail;  ///< of floats behind the last levels; nullptr: none

  int64_t feature_words = 0;
  std::vector<int8_t> weights;  ///< weight words
  std::vector<int32_t> scales;  ///< scale words
  std::vector<int32_t> tables;

  // What the kernels are built for.
  int window_words = 1, weight_words = 1, pool_lines = 1, pool_columns = 1;
  int data_words = 1, row_words = 1;  ///< of a tile's rings
};

/// How far a tile's rings may grow, where rows may be split among tiles.
struct TileLimits {
  bool whole_layers = false;       ///< channels: one tile per image and lane group
  int64_t ring_bytes = 384 << 10;  ///< of words from memory
};

/// A layer as the cycle model knows it (fpga/cycle_model.h).
LayerShape shape_of(const PipelineLayer& layer);

/// What the pipeline cannot take, by node.
std::vector<Refusal> pipeline_refusals(const Graph& graph, const DesignPoint& design);

/// Throws Error naming the nodes that it cannot take.
PipelineNetwork make_pipeline_network(const Graph& graph, const DesignPoint& design, const TileLimits& limits);

}  // namespace tercel::inline engines

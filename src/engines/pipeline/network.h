// A graph as layers of the pipeline: what the kernels are told, and what lies in memory.
//
// network.cc goes through the nodes; core.h says what one computes, feature_memory.h where values lie, host_ends.h what
// the host does before and behind; layer_writer.h makes the layers.
#pragma once

#include <string>
#include <vector>

#include "engines/engine.h"
#include "engines/pipeline/feature_map.h"
#include "engines/pipeline/pipeline_layer.h"
#include "engines/pipeline/word_vector.h"
#include "tercel/fpga.h"

namespace tercel::inline engines {

/// A graph's input or output, and what the host does with it: levels are packed and unpacked; floats are made levels
/// and back, or are the means of the channels' levels.
struct HostPort {
  ProgramPort port;
  FeatureMap map;
  int64_t index = 0;  ///< of the graph's inputs; of the outputs, or of the tail's inputs
  bool means = false;
};

struct PipelineNetwork {
  DesignPoint design;
  std::vector<PipelineLayer> layers;
  std::vector<ProgramPort> inputs, outputs;  ///< of the graph, in its order
  std::vector<HostPort> loads;               ///< a graph's input may be made levels more than once
  std::vector<HostPort> stores;
  std::vector<std::string> host_first, host_last;  ///< operators that the host performs, before and behind the layers
  std::unique_ptr<const Program> tail;             ///< of floats behind the last levels; nullptr: none

  int64_t feature_words = 0;
  WordVector<int8_t> weights;  ///< weight words
  WordVector<int32_t> scales;  ///< scale words
  std::vector<int32_t> tables;

  // What the kernels are built for.
  int window_words = 1, weight_words = 1, pool_lines = 1, pool_columns = 1;
  int data_words = 1, row_words = 1;  ///< of a tile's rings

  /// A tile's rings: data, then sums (32 bits), levels and pooled levels of its rows, as run_tiles lays them out.
  int64_t ring_bytes() const;
  /// Options of OpenCL's compiler: the design, its channels' depths and the buffers, none smaller than `least`.
  struct LeastBuffers {
    int window_words = 1, weight_words = 1, pool_lines = 1, pool_columns = 1;
  };
  std::string kernel_options(const LeastBuffers& least) const;
};

/// How far a tile's rings may grow, where rows may be split among tiles.
struct TileLimits {
  bool whole_layers = false;       ///< channels: one tile per image and lane group
  int64_t ring_bytes = 384 << 10;  ///< of words from memory
};

/// What the pipeline cannot take, by node.
std::vector<Refusal> pipeline_refusals(const Graph& graph, const DesignPoint& design);

/// Throws Error naming the nodes that it cannot take.
PipelineNetwork make_pipeline_network(const Graph& graph, const DesignPoint& design, const TileLimits& limits);

}  // namespace tercel::inline engines

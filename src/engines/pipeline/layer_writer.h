// Layers for the kernels, and the words that go with them.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "engines/pipeline/core.h"
#include "engines/pipeline/feature_memory.h"
#include "engines/pipeline/network.h"
#include "tensor/normalize_levels.h"

namespace tercel::inline engines {

/// Nodes that are one layer: a core, the pool behind it and the sum behind that.
struct Chain {
  const Node* first;
  std::string ops;
  const Value* result;  ///< nullptr: a part of one
  std::optional<std::array<Window, 2>> pool = {};
  const Node* sum = nullptr;
  size_t sum_operand = 0;  ///< that this chain computes
};

class LayerWriter {
 public:
  /// Appends to `net`, whose design is set. Without `pack` there are layers, but no weights.
  LayerWriter(PipelineNetwork& net, const FeatureMemory& memory, const TileLimits& limits, bool pack)
      : net_(net), memory_(memory), limits_(limits), pack_(pack) {}

  /// Throws Error for what does not fit the design's buffers.
  void layer(const Chain& chain, const Core& core, const FeatureMap& in, const FeatureMap& out);
  void norm(const Node& node, const LevelNorm& levels, const FeatureMap& in, const FeatureMap& out);

 private:
  void residual(Layer& l, const Node& node, size_t mine);
  /// How many pixels share a weight word, and how many rows a tile has.
  void group_and_bands(Layer& l);

  PipelineNetwork& net_;
  const FeatureMemory& memory_;
  TileLimits limits_;
  bool pack_;
};

}  // namespace tercel::inline engines

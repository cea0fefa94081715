// What a node computes, in the terms of the pipeline's stages.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "engines/pipeline/feature_map.h"
#include "engines/pipeline/layer_packing.h"
#include "graph/graph.h"
#include "tensor/slice.h"

namespace tercel::inline engines {

/// What a layer starts from: a product, or a copy whose channels are computed one by one.
struct Core {
  LayerArithmetic arithmetic;
  LevelRange range;  ///< as memory has it
  int64_t macs = 0;
  bool images_side_by_side = false;    ///< each image gives one pixel
  std::vector<std::byte> own_weights;  ///< weights that no constant holds
};

// Of a node whose first operand lies at `in`. Without `with_weights` the weights are checked, not looked at. They throw
// Error for what the stages cannot do.
Core convolution_core(const Node& node, const FeatureMap& in, bool with_weights);
Core product_core(const Node& node, const FeatureMap& in, bool with_weights);
Core requantize_core(const Node& node, const FeatureMap& in);
/// Levels as they are, channel by channel.
Core copy_core(const FeatureMap& in);

/// A rectangle of an average pool's results, all of as many elements.
struct AveragePart {
  Core core;
  int64_t row = 0, column = 0;
};
/// AveragePool and GlobalAveragePool. Windows at the edges may have fewer elements, and then divide by another number.
std::vector<AveragePart> average_parts(const Node& node, const FeatureMap& in);

/// Which elements a result has: along each axis element first + i * step, zeros where there is none.
struct Selection {
  SliceRange channels, rows, columns;
};
/// Of Slice, Pad, and an output of Split.
Selection selection_of(const Node& node, size_t output, const FeatureMap& in);
Core select_core(const FeatureMap& in, const Selection& selection);
/// Channels in another order: result o is channel from[o].
Core order_core(const FeatureMap& in, const std::vector<int64_t>& from);

/// The windows of a MaxPool; nothing where they are none of rows and columns.
std::optional<std::array<Window, 2>> pool_of(const Node& node);

/// Of the levels of y, the result of the node, whose activation narrows it.
LevelRange range_in_memory(const Node& node, const Value& y);

}  // namespace tercel::inline engines

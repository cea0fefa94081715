#include "engines/pipeline/feature_memory.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"

namespace tercel::inline engines {
namespace {

/// The extents of a value, without a place.
FeatureMap extents_of(const Value& value) {
  const Dims& dims = value.type.dims;
  FeatureMap map;
  if (dims.size() != 2 && dims.size() != 4)
    fail_unsupported("'{}' is {}: feature maps have two axes (images, channels) or four", value.name,
                     to_string(value.type));
  if (count_elements(dims) == 0) fail_unsupported("'{}' is empty", value.name);
  map.images = dims[0];
  map.channels = dims[1];
  if (dims.size() == 4) map.height = dims[2], map.width = dims[3];
  map.dtype = value.type.dtype;
  map.quantization = meaning_of(value);
  return map;
}

}  // namespace

QuantizationPtr meaning_of(const Value& value) {
  const QuantizationPtr& q = value.type.quantization;
  if (q == nullptr || !q->per_tensor()) fail_unsupported("'{}' has no single scale and zero point", value.name);
  return q;
}

bool joins_channels(const Node& node) {
  const int64_t axis = node.attrs.get_int("axis"), rank = static_cast<int64_t>(node.output()->type.dims.size());
  return axis == 1 || axis + rank == 1;
}

int32_t narrow(int64_t value) {
  if (value != static_cast<int32_t>(value)) fail(ErrorCode::limit, "feature maps or weights need more than 2^31 words");
  return static_cast<int32_t>(value);
}

FeatureMemory::FeatureMemory(const Graph& graph, int vec) : vec_(vec) {
  for (const auto& node : graph.nodes()) {
    if (!node->is("Concat") || !is_level_type(node->output()->type.dtype) || !joins_channels(*node)) continue;
    int64_t channel = 0;
    for (const Value* part : node->inputs) {
      const Node* maker = part->producer;
      const bool layer = maker != nullptr && (maker->is("FusedConv") || maker->is("MaxPool") || maker->is("FusedAdd") ||
                                              maker->is("AveragePool") || maker->is("Requantize"));
      if (layer && channel % vec == 0 && part->type.static_shape())
        joined_parts_.try_emplace(part, JoinedPart{node->output(), channel});
      if (part->type.dims.size() < 2) break;
      channel += part->type.dims[1];
    }
  }
}

const FeatureMap* FeatureMemory::find(const Value* value) const {
  const auto found = maps_.find(value);
  return found != maps_.end() ? &found->second : nullptr;
}

const FeatureMap& FeatureMemory::at(const Value* value) const {
  const FeatureMap* map = find(value);
  TERCEL_CHECK(map != nullptr, "a value without a place");
  return *map;
}

const FeatureMap& FeatureMemory::place(const Value* value) {
  FeatureMap map = extents_of(*value);
  if (const auto part = joined_parts_.find(value); part != joined_parts_.end()) {
    const FeatureMap* whole = find(part->second.whole);
    const FeatureMap& from = whole != nullptr ? *whole : place(part->second.whole);
    map.at = from.at, map.image_words = from.image_words, map.words = from.words;
    map.channel = from.channel + part->second.channel;
  } else {
    map.words = div_up<int64_t>(map.channels, vec_);
    map.image_words = map.words * map.plane();
    map.at = words_;
    words_ += map.images * map.image_words;
    narrow(words_);
  }
  return maps_[value] = std::move(map);
}

}  // namespace tercel::inline engines

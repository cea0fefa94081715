// Where the values of a graph lie in the pipeline's memory.
#pragma once

#include <map>
#include <string_view>

#include "engines/pipeline/feature_map.h"
#include "graph/graph.h"

namespace tercel::inline engines {

/// What a refusal of floats ends with.
inline constexpr std::string_view kQuantizeFirst = "quantize the network first (tercel quantize)";

/// What a value's levels stand for. Throws Error where that is not one scale and zero point.
QuantizationPtr meaning_of(const Value& value);

/// Whether a Concat is of channels.
bool joins_channels(const Node& node);

/// Throws Error: the kernels count in 32 bits.
int32_t narrow(int64_t value);

class FeatureMemory {
 public:
  /// Of words of `vec` channels. Parts of a concatenation are written where the whole lies, if they begin with a word.
  FeatureMemory(const Graph& graph, int vec);

  /// nullptr: it has none.
  const FeatureMap* find(const Value* value) const;
  /// Of a value that is there.
  const FeatureMap& at(const Value* value) const;

  /// Room for a value: its own, or its part of a concatenation.
  const FeatureMap& place(const Value* value);
  /// A value that lies where another does.
  void alias(const Value* value, const FeatureMap& map) { maps_[value] = map; }

  int64_t words() const { return words_; }

 private:
  struct JoinedPart {
    const Value* whole;
    int64_t channel;
  };

  int vec_;
  int64_t words_ = 0;
  std::map<const Value*, FeatureMap> maps_;
  std::map<const Value*, JoinedPart> joined_parts_;
};

}  // namespace tercel::inline engines

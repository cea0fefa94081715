// The host's part of a network: inputs to levels, the last levels to outputs, and what gives the answer its form.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engines/pipeline/feature_memory.h"
#include "engines/pipeline/network.h"

namespace tercel::inline engines {

class HostEnds {
 public:
  /// Fills in the ports, loads, stores and tail of `net`.
  HostEnds(const Graph& graph, FeatureMemory& memory, PipelineNetwork& net);

  /// Where an operand lies; a graph's input of levels is loaded. Throws Error where it cannot be had.
  const FeatureMap& levels(const Value* value);

  void quantize_input(Node& node);
  void dequantize_output(Node& node);
  /// Of floats behind the last levels, or computed from these: means, what only gives the answer its form, softmax.
  void tail_node(Node& node);

  /// Outputs: levels as they are, floats from the last levels, or what the tail makes of them.
  void finish(std::vector<Refusal>& refusals);

 private:
  /// Among the graph's inputs.
  std::optional<size_t> input_place(const Value* value) const;
  const FeatureMap& load(const Value* levels, size_t input, const std::string& name, DType dtype);
  void make_tail();

  const Graph& graph_;
  FeatureMemory& memory_;
  PipelineNetwork& net_;
  /// Floats that the host makes of levels.
  struct FloatsOf {
    FeatureMap map;
    bool means = false;
  };
  static HostPort store_of(ProgramPort port, const FloatsOf& floats, size_t index);

  std::map<const Value*, FloatsOf> floats_;
  std::set<const Node*> tail_;
};

}  // namespace tercel::inline engines

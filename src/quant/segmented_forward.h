// Segmented forward pass: a network runs over many inputs segment by segment, and the live values between two segments
// are kept for each input.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "tercel/session.h"

namespace tercel::inline quant {

/// The segment of a model that computes `to` from its inputs and `from`: these become inputs, after the model's own;
/// `to` are its only outputs. Throws Error naming a value that is not there.
Model segment_of(const Model& model, const std::vector<std::string>& from, const std::vector<std::string>& to);

/// The live set before `node`: values that are computed before it and read by it or later nodes.
/// Nothing where one of them is no f32 of known shape (Model::with_shapes), or where they take more than `most_bytes`
/// for one input.
std::optional<std::vector<std::string>> live_set_before(const Graph& graph, const Node* node, int64_t most_bytes);

/// The state of the pass for each input.
class SegmentedForward {
 public:
  explicit SegmentedForward(const std::vector<Array>& inputs)
      : inputs_(inputs), kept_(inputs.size()), next_(inputs.size()) {}

  /// Runs from the current live set to some values, on one thread. Different runners may run different inputs at once.
  class Runner {
   public:
    /// `next`: the live set after move(); nullptr: the pass does not move.
    Runner(SegmentedForward& pass, const Model& model, const std::vector<std::string>& values,
           const std::vector<std::string>* next);
    /// The values for one input.
    std::vector<Array> run(size_t input);

   private:
    struct Source {
      bool kept;
      size_t index;
    };
    SegmentedForward& pass_;
    std::vector<Source> values_, next_;  // where each is found: what is kept already, or the piece's outputs
    bool moves_;
    std::optional<Session> session_;
  };

  /// Every input has been run with the same `next`: that becomes the live set.
  void move(const std::vector<std::string>& next);

 private:
  const std::vector<Array>& inputs_;
  std::vector<std::string> names_;
  std::vector<std::vector<Array>> kept_, next_;  // by input
};

}  // namespace tercel::inline quant

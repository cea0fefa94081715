// Running a network piece by piece over many inputs, keeping for each input what is alive between the pieces.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "tercel/session.h"

namespace tercel {

/// The part of a model that makes `to` from its inputs and `from`: these become inputs, after the model's own; `to`
/// are its only outputs. Throws Error naming a value that is not there.
Model piece_of(const Model& model, const std::vector<std::string>& from, const std::vector<std::string>& to);

/// What must be kept to go on from `node` (its place in running order): values made before it and read from there on.
/// Nothing where one of them is no f32 of known rank, or where they take more than `most_bytes` for one input (extents
/// that are not fixed count as 1).
std::optional<std::vector<std::string>> alive_before(const Graph& graph, const Node* node, int64_t most_bytes);

/// Where a network stands with each input.
class Walk {
 public:
  explicit Walk(const std::vector<Array>& inputs) : inputs_(inputs), kept_(inputs.size()), next_(inputs.size()) {}

  /// One thread's way from where the walk stands to some values. Different runners may run different inputs at once.
  class Runner {
   public:
    /// `next`: values at which the walk will stand after move(); nullptr: it stays.
    Runner(Walk& walk, const Model& model, const std::vector<std::string>& values,
           const std::vector<std::string>* next);
    /// The values for one input.
    std::vector<Array> run(size_t input);

   private:
    struct Source {
      bool kept;
      size_t index;
    };
    Walk& walk_;
    std::vector<Source> values_, next_;  // where each is found: what is kept already, or the piece's outputs
    bool moves_;
    std::optional<Session> session_;
  };

  /// Every input has been run with the same `next`: stand there.
  void move(const std::vector<std::string>& next);

 private:
  const std::vector<Array>& inputs_;
  std::vector<std::string> names_;
  std::vector<std::vector<Array>> kept_, next_;  // by input
};

}  // namespace tercel

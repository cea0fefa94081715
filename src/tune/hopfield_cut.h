// Where a network ends and a memory begins.
#pragma once

#include <string>

#include "hopfield/binarization.h"
#include "hopfield/parallel_networks.h"
#include "tercel/model.h"

namespace tercel::inline tune {

/// The value in front of the fully connected layers at the end of the network, or the one that `cut` names. Throws
/// Error where there is none, and where nothing is left on either side.
std::string find_cut(const Model& model, const std::string& cut);

/// The network up to that value, which becomes its one output: n rows of features. `pool`: means over all axes behind
/// the second.
Model features_model(const Model& model, const std::string& value, bool pool);

/// What is behind the value, which becomes its input: one picture's features (batch 1) to the scores.
Model head_model(const Model& model, const std::string& value);

/// Bytes of the constants that only the part behind the value reads.
int64_t bytes_behind(const Model& model, const std::string& value);

/// A memory as it stands in a graph.
struct MemoryHead {
  hopfield::PatternMemory memory;
  bool settles = true;  ///< false: scores are those of the softmax memory, without recall
  std::string rule = "softmax";
  double rule_beta = 0.05;  ///< of the softmax rule, where it settles
  std::string recall = "asynchronous";
  int64_t max_sweeps = 50;
  double beta = 1;  ///< of the scores
  int64_t class_count = 0;
};

/// features_model() followed by the binarizer's map and the memory; the output is named as the model's first is.
Model with_memory(const Model& model, const std::string& value, bool pool, const hopfield::Binarizer& binarizer,
                  const MemoryHead& head);

/// The memory of a fitted model. Throws Error where there is none, or several.
MemoryHead memory_of(const Model& model);
/// The value that the memory takes the signs of.
std::string memory_input(const Model& model);
/// The model with that memory in the place of its own.
Model with_other_memory(const Model& model, const MemoryHead& head, const std::vector<std::string>& labels);

}  // namespace tercel::inline tune

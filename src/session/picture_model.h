// What a network that classifies pictures takes and gives.
#pragma once

#include <cstdint>
#include <vector>

#include "tercel/model.h"

namespace tercel::inline session {

/// Extents of the input that `how` makes of one picture. Throws Error where the model does not take it: not one input
/// of type f32 and rank 4, or one of other extents.
std::vector<int64_t> picture_dims(const Model& model, const Preprocessing& how);

enum class FirstOutput {
  scores,         ///< one a class
  probabilities,  ///< the same after a softmax
  classes,        ///< the number of the class itself (ArgMax)
};

/// What the first output holds, by the node that makes it, looked for behind nodes that only rename, reshape or cast.
/// Throws Error where it holds the best scores without their classes (TopK).
FirstOutput first_output(const Model& model);

/// Throws Error where an output of these extents is not one score a class, or not one class: the most likely of all its
/// elements would say nothing.
void check_answer_of_one_picture(const Model& model, FirstOutput kind, const std::vector<int64_t>& dims);

}  // namespace tercel::inline session

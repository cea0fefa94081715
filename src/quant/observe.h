// What happens inside and at the end of a network on given inputs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tercel/progress.h"
#include "tercel/session.h"

namespace tercel::inline quant {

/// The model with further values of its graph handed out as outputs, in this order, after its own. Throws Error naming
/// a value that is not there.
Model with_outputs(const Model& model, const std::vector<std::string>& values);

/// Runs the model on each input in turn and shows the named values of each run (index of the input, values in the
/// order of their names); nothing is kept from run to run.
void observe(const Model& model, const std::vector<std::string>& values, const std::vector<Array>& inputs,
             const std::function<void(size_t, const std::vector<Array>&)>& see, const SessionOptions& options = {},
             const Progress& progress = {});

/// Whether the first output holds probabilities.
bool ends_in_softmax(const Model& model);

/// Log probabilities of the classes, one row an input.
using Answers = std::vector<std::vector<float>>;

/// The session's answer to each input: log softmax of its first output (log, where the model ends in a softmax).
/// Throws Error for a model that answers classes without scores.
Answers answers_of(Session& session, const std::vector<Array>& inputs, const Progress& progress = {});

/// Answers compared with those of the reference network.
struct Evaluation {
  size_t inputs = 0;
  double agreement = 0;  ///< part of the inputs with the same most likely class
  double kl = 0;         ///< mean Kullback-Leibler divergence KL(reference || answers), in nats
  double top1 = 0;       ///< part of the inputs answered with their label; -1 without labels
  double reference_top1 = -1;
  double top1_drop() const { return reference_top1 < 0 ? 1 - agreement : reference_top1 - top1; }
};

/// `classes`: one an input, or empty.
Evaluation evaluate(const Answers& reference, const Answers& answers, const std::vector<int>& classes = {});

}  // namespace tercel::inline quant

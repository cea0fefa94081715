// Reverse-mode derivatives: what a small change of a value inside a network does to the network's answer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tercel/session.h"

namespace tercel::inline quant {

/// Derivatives of a model with one input, for values of its graph, one input at a time. The forward run is a Session's;
/// the backward run computes in f32. Memory holds the values that derivatives depend on, and gradients only from where
/// they are made to where they are used up.
class Gradient {
 public:
  /// `values`: names of f32 values that are no constants. Extents of the input that are not fixed count as 1, and
  /// quantized activations are clipped ones (straight_through.h).
  /// Throws Error(unsupported) naming the node on the way from a value to the first output whose operator has no rule,
  /// and Error(bad_input) naming a value that is not there.
  Gradient(const Model& model, const std::vector<std::string>& values, const SessionOptions& options = {});
  ~Gradient();
  Gradient(Gradient&&) noexcept;
  Gradient& operator=(Gradient&&) noexcept;

  /// Gives the gradient at the first output, of the output's shape.
  using Seed = std::function<Array(int sample, const Array& output)>;
  /// Sees each named value and its gradient (same shape), in the order of the names.
  using See = std::function<void(int sample, const std::vector<Array>& values, const std::vector<Array>& gradients)>;

  /// Runs forward once, then backward `samples` times. A value that the output does not depend on has gradient 0.
  void run(const Array& input, int samples, const Seed& seed, const See& see);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// d(-log p_y) / d(output) for a class y drawn from the network's own answer p: the score whose outer products average
/// to the Fisher information, times the temperature that softens p. p is the softmax of `output` / temperature, or what
/// that would be where `output` is a softmax (`probabilities`). One class is drawn for each index of the first axis; an
/// output of one axis is one answer.
Array fisher_seed(const Array& output, bool probabilities, double temperature, Rng& rng);

}  // namespace tercel::inline quant

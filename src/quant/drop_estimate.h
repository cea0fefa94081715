// Estimates the accuracy that a quantized network loses, from fewer pictures than counting lost answers would take.
#pragma once

#include <cstddef>
#include <vector>

#include "quant/observe.h"

namespace tercel::inline quant {

/// Parts of all pictures, 0..1.
struct DropEstimate {
  double flips = 0;        ///< expected to change their class
  double flips_bound = 0;  ///< not more, at 95 % confidence
  double drop = 0;         ///< expected to be lost: right before and wrong now, less the reverse; without labels: flips
  double bound = 0;        ///< not more, at 95 % confidence
};

/// Counting lost pictures resolves one in n; a limit of 0.3 points would take a thousand. But quantization moves all
/// scores a little, and a class changes where its lead over another was smaller than the move. So two things are
/// measured apart, each well known from few pictures: how leads are distributed (all pictures, by the network as it
/// was), and how far quantization moves them (a normal distribution, from pictures that chose nothing of the levels).
/// Together they give how many change their class, far below one in n.
class DropModel {
 public:
  /// Answers of the reference network to all pictures at hand; `classes`: their labels, or empty.
  DropModel(const Answers& reference, const std::vector<int>& classes);

  /// `before`, `after`: answers of the reference and of the quantized network to some of the pictures.
  DropEstimate estimate(const Answers& before, const Answers& after) const;

  size_t pictures() const { return leads_.size(); }

 private:
  double flips_at(double deviation, double& effective) const;

  std::vector<std::vector<double>> leads_;  ///< of each picture's class over its rivals
  std::vector<double> label_leads_;         ///< of the label over the best other class, below 0 where that wins
};

/// The probability that `expected` pictures (on the mean) turn out to be `counted` or more: a Poisson tail.
double chance_of(size_t counted, double expected);

}  // namespace tercel::inline quant

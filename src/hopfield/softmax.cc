// Softmax (modern) Hopfield network of binary units: energy -1/beta log sum over patterns of exp(beta a), a = X s
// (Demircigil et al. 2017; Ramsauer et al. 2020 for continuous states). A unit goes where the energy is lower; what it
// feels are sums over the patterns in which it is +1 and -1. The number of patterns may grow exponentially with N.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "hopfield/columns.h"
#include "hopfield/overlaps.h"
#include "hopfield/rule.h"

namespace tercel::inline hopfield {
namespace {

struct Stored {
  BitPatterns patterns, columns;
  double beta;
};

class SoftmaxState final : public NetworkState {
 public:
  SoftmaxState(std::span<const uint64_t> state, const Stored& stored)
      : NetworkState(state), stored_(stored), overlaps_(overlaps(state.data(), stored.patterns)) {
    weigh();
  }

  /// Half the difference of the energies that the unit has as -1 and as +1.
  double field(int64_t unit) const override {
    const double up = sum_where_set(stored_.columns.row_span(unit), weights_.data());
    const double down = std::max(total_ - up, 0.0);
    const double beta = stored_.beta;
    // The unit's flip takes 2 from the overlaps of patterns that agree with it and gives 2 to the others.
    const double agree = sign(unit) > 0 ? up : down, differ = sign(unit) > 0 ? down : up;
    const double flipped = log_of_sum(agree, -2 * beta, differ, 2 * beta);
    return sign(unit) * (std::log(agree + differ) - flipped) / (2 * beta);
  }

  void flip(int64_t unit) override {
    flip_bit(unit);
    flip_in_overlaps(stored_.columns.row_span(unit), sign(unit), overlaps_);
    weigh();
  }

  double energy() const override { return -(stored_.beta * most_ + std::log(total_)) / stored_.beta; }

 private:
  /// log(a e^p + b e^q), where the exponents may be large.
  static double log_of_sum(double a, double p, double b, double q) {
    const double most = std::max(p, q);
    return most + std::log(a * std::exp(p - most) + b * std::exp(q - most));
  }

  /// Weights are softmax(beta a) up to a factor.
  void weigh() {
    most_ = *std::max_element(overlaps_.begin(), overlaps_.end());
    weights_.resize(overlaps_.size());
    total_ = 0;
    for (size_t k = 0; k < overlaps_.size(); ++k)
      total_ += weights_[k] = std::exp(stored_.beta * (overlaps_[k] - most_));
  }

  const Stored& stored_;
  std::vector<int32_t> overlaps_;
  std::vector<double> weights_;
  double most_ = 0, total_ = 0;
};

class SoftmaxNetwork final : public Network {
 public:
  SoftmaxNetwork(const BitPatterns& patterns, double beta) : stored_{patterns, patterns.transposed(), beta} {}

  int64_t bits() const override { return stored_.patterns.bits(); }
  std::unique_ptr<NetworkState> start(std::span<const uint64_t> state) const override {
    return std::make_unique<SoftmaxState>(state, stored_);
  }
  size_t bytes() const override {
    const BitPatterns &rows = stored_.patterns, &columns = stored_.columns;
    return static_cast<size_t>(rows.count() * rows.words() + columns.count() * columns.words()) * 8;
  }

 private:
  Stored stored_;
};

}  // namespace

Rule softmax_rule() {
  return {"softmax", "exponential energy (modern Hopfield); no bound that matters",
          [](int64_t) { return std::numeric_limits<double>::infinity(); },
          [](const BitPatterns& patterns, const RuleOptions& options) -> std::unique_ptr<Network> {
            if (!(options.beta > 0) || !std::isfinite(options.beta))
              fail_input("beta is {}, wanted a number above 0", options.beta);
            return std::make_unique<SoftmaxNetwork>(patterns, options.beta);
          }};
}

}  // namespace tercel::inline hopfield

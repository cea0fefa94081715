// Storkey: pattern by pattern, w_ij += (x_i x_j - x_i h_ji - h_ij x_j) / N with h_ij = sum over k other than i and j of
// w_ik x_k (Storkey 1997). It has no form by overlaps, so W is kept: 4 N^2 bytes.
#include <cmath>

#include "base/error.h"
#include "hopfield/rule.h"

namespace tercel::inline hopfield {
namespace {

/// 1 GB for W.
constexpr int64_t kMostBits = 16384;

double dot(const float* row, const std::vector<float>& signs) {
  constexpr size_t kParts = 8;  // sums that do not wait for each other
  float parts[kParts] = {};
  size_t j = 0;
  for (; j + kParts <= signs.size(); j += kParts)
    for (size_t k = 0; k < kParts; ++k) parts[k] += row[j + k] * signs[j + k];
  double sum = 0;
  for (; j < signs.size(); ++j) sum += static_cast<double>(row[j] * signs[j]);
  for (float part : parts) sum += static_cast<double>(part);
  return sum;
}

class StorkeyState final : public NetworkState {
 public:
  StorkeyState(std::span<const uint64_t> state, const std::vector<float>& weights, int64_t bits)
      : NetworkState(state), weights_(weights), fields_(static_cast<size_t>(bits)) {
    std::vector<float> signs(fields_.size());
    for (size_t i = 0; i < signs.size(); ++i) signs[i] = static_cast<float>(sign(static_cast<int64_t>(i)));
    for (size_t i = 0; i < fields_.size(); ++i) fields_[i] = dot(weights_.data() + i * fields_.size(), signs);
  }

  double field(int64_t unit) const override { return fields_[static_cast<size_t>(unit)]; }

  void flip(int64_t unit) override {
    flip_bit(unit);
    const float* row = weights_.data() + static_cast<size_t>(unit) * fields_.size();
    const double twice = 2.0 * sign(unit);
    for (size_t j = 0; j < fields_.size(); ++j) fields_[j] += twice * static_cast<double>(row[j]);
  }

  double energy() const override {
    double sum = 0;
    for (size_t i = 0; i < fields_.size(); ++i) sum += sign(static_cast<int64_t>(i)) * fields_[i];
    return -0.5 * sum;
  }

 private:
  const std::vector<float>& weights_;
  std::vector<double> fields_;
};

class StorkeyNetwork final : public Network {
 public:
  explicit StorkeyNetwork(const BitPatterns& patterns)
      : bits_(patterns.bits()), weights_(static_cast<size_t>(bits_ * bits_)) {
    for (int64_t k = 0; k < patterns.count(); ++k) learn(patterns.row(k));
  }

  int64_t bits() const override { return bits_; }
  std::unique_ptr<NetworkState> start(std::span<const uint64_t> state) const override {
    return std::make_unique<StorkeyState>(state, weights_, bits_);
  }
  size_t bytes() const override { return weights_.size() * sizeof(float); }

 private:
  void learn(const uint64_t* pattern) {
    const auto n = static_cast<size_t>(bits_);
    std::vector<float> x(n), h(n);
    for (size_t i = 0; i < n; ++i) x[i] = static_cast<float>(BitPatterns::sign_of(pattern, static_cast<int64_t>(i)));
    for (size_t i = 0; i < n; ++i) h[i] = static_cast<float>(dot(weights_.data() + i * n, x));  // w_ii is 0
    const float scale = 1 / static_cast<float>(n);
    // In pairs, so that W stays symmetric to the last bit: h_ij = h_i - w_ij x_j.
    for (size_t i = 0; i < n; ++i)
      for (size_t j = i + 1; j < n; ++j) {
        float& w = weights_[i * n + j];
        const float h_ij = h[i] - w * x[j], h_ji = h[j] - w * x[i];
        w += scale * (x[i] * x[j] - x[i] * h_ji - h_ij * x[j]);
        weights_[j * n + i] = w;
      }
  }

  int64_t bits_;
  std::vector<float> weights_;
};

}  // namespace

Rule storkey_rule() {
  return {"storkey", "incremental, with the fields of what is stored taken out; N / sqrt(2 ln N) random patterns",
          [](int64_t bits) {
            const auto n = static_cast<double>(bits);
            return bits < 3 ? 1.0 : n / std::sqrt(2 * std::log(n));
          },
          [](const BitPatterns& patterns, const RuleOptions&) -> std::unique_ptr<Network> {
            if (patterns.bits() > kMostBits)
              fail_input(
                  "patterns of {} bits: the Storkey rule keeps a matrix and takes at most {} bits; the "
                  "pseudo-inverse rule keeps none",
                  patterns.bits(), kMostBits);
            return std::make_unique<StorkeyNetwork>(patterns);
          }};
}

}  // namespace tercel::inline hopfield

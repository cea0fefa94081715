// Hebb: W = (sum over patterns of x x^T - P I) / N (Hopfield 1982). W is never made: with overlaps a = X s,
// W s = (X^T a - P s) / N and s^T W s = (|a|^2 - P N) / N.
#include <cmath>

#include "hopfield/columns.h"
#include "hopfield/overlaps.h"
#include "hopfield/rule.h"

namespace tercel::inline hopfield {
namespace {

class HebbState final : public NetworkState {
 public:
  HebbState(std::span<const uint64_t> state, const BitPatterns& patterns, const BitPatterns& columns)
      : NetworkState(state), columns_(columns), overlaps_(overlaps(state.data(), patterns)) {
    for (int32_t a : overlaps_) total_ += a;
  }

  double field(int64_t unit) const override {
    const int64_t sum = 2 * sum_of_set(unit) - total_ - columns_.bits() * sign(unit);
    return static_cast<double>(sum) / static_cast<double>(columns_.count());
  }

  void flip(int64_t unit) override {
    flip_bit(unit);
    flip_in_overlaps(columns_.row_span(unit), sign(unit), overlaps_);
    total_ = 0;
    for (int32_t a : overlaps_) total_ += a;
  }

  double energy() const override {
    const auto bits = static_cast<double>(columns_.count());
    double squares = 0;
    for (int32_t a : overlaps_) squares += static_cast<double>(a) * a;
    return -0.5 * (squares / bits - static_cast<double>(overlaps_.size()));
  }

 private:
  int64_t sum_of_set(int64_t unit) const { return sum_where_set(columns_.row_span(unit), overlaps_.data()); }

  const BitPatterns& columns_;
  std::vector<int32_t> overlaps_;
  int64_t total_ = 0;
};

class HebbNetwork final : public Network {
 public:
  explicit HebbNetwork(const BitPatterns& patterns) : patterns_(patterns), columns_(patterns.transposed()) {}

  int64_t bits() const override { return patterns_.bits(); }
  std::unique_ptr<NetworkState> start(std::span<const uint64_t> state) const override {
    return std::make_unique<HebbState>(state, patterns_, columns_);
  }
  size_t bytes() const override {
    return static_cast<size_t>(patterns_.count() * patterns_.words() + columns_.count() * columns_.words()) * 8;
  }

 private:
  BitPatterns patterns_, columns_;
};

}  // namespace

Rule hebb_rule() {
  return {"hebb", "sum of outer products; N / (2 ln N) random patterns",
          [](int64_t bits) {
            const auto n = static_cast<double>(bits);
            return bits < 3 ? 1.0 : n / (2 * std::log(n));
          },
          [](const BitPatterns& patterns, const RuleOptions&) -> std::unique_ptr<Network> {
            return std::make_unique<HebbNetwork>(patterns);
          }};
}

}  // namespace tercel::inline hopfield

#include "quant/drop_estimate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace tercel::inline quant {
namespace {

constexpr size_t kRivals = 4;          // classes next to the first
constexpr double kConfidence = 1.645;  // standard errors: 95 %, one side
constexpr double kEffective = 8;       // pictures near a tie that a density is estimated from
constexpr double kWidest = 1e3;        // nats
constexpr double kVariance = 0.3;   // of what a label's lead loses: integral of Phi(-x)^2 / integral of Phi(-x) = 0.293
constexpr double kLeastLost = 0.2;  // of what changes: errors of a network resemble each other (measured: an eighth)

double normal_below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

/// The classes in the order of their scores, the first and its rivals.
std::vector<size_t> first_of(const std::vector<float>& row) {
  std::vector<size_t> order(row.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t count = std::min(row.size(), kRivals + 1);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](size_t a, size_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
  order.resize(count);
  return order;
}

double lead(const std::vector<float>& row, size_t a, size_t b) {
  return static_cast<double>(row[a]) - static_cast<double>(row[b]);
}

/// How far leads move.
struct Move {
  double deviation = 0;       ///< root mean square, nats
  double relative_error = 0;  ///< standard error of it / it
};

Move move_of(std::vector<double>::const_iterator begin, std::vector<double>::const_iterator end) {
  const auto n = static_cast<double>(end - begin);
  const double mean = std::accumulate(begin, end, 0.0) / n;
  double squares = 0;
  for (auto at = begin; at != end; ++at) squares += (*at - mean) * (*at - mean);
  Move move;
  move.deviation = std::sqrt(mean);
  // Of a mean of squares, halved by the root; few pictures do not show how heavy the tails are.
  const double seen = mean > 0 ? squares / (n * n * mean * mean) / 4 : 0;
  move.relative_error = std::sqrt(std::max(seen, 1 / (2 * n)));
  return move;
}

/// Of all pictures, or of those whose lead is below the median: what moves more. Only near ties does it matter, but few
/// are near.
Move moves(const Answers& before, const Answers& after) {
  std::vector<std::pair<double, double>> lead_and_square;
  for (size_t i = 0; i < before.size(); ++i) {
    const std::vector<float>&p = before[i], &q = after[i];
    TERCEL_CHECK(p.size() == q.size());
    const std::vector<size_t> first = first_of(p);
    double square = 0;
    const bool same = std::memcmp(p.data(), q.data(), p.size() * sizeof(float)) == 0;
    for (size_t k = 1; k < first.size() && !same; ++k) {
      const double moved = lead(q, first[0], first[k]) - lead(p, first[0], first[k]);
      square += moved * moved / static_cast<double>(first.size() - 1);
    }
    // A network that broke down answers NaN.
    if (!std::isfinite(square)) return {std::numeric_limits<double>::infinity(), 0};
    lead_and_square.emplace_back(first.size() > 1 ? lead(p, first[0], first[1]) : 0, square);
  }
  std::sort(lead_and_square.begin(), lead_and_square.end());
  std::vector<double> squares;
  for (const auto& [unused, square] : lead_and_square) squares.push_back(square);
  const Move all = move_of(squares.begin(), squares.end());
  const Move near = move_of(squares.begin(), squares.begin() + static_cast<std::ptrdiff_t>((squares.size() + 1) / 2));
  return near.deviation > all.deviation ? near : all;
}

}  // namespace

DropModel::DropModel(const Answers& reference, const std::vector<int>& classes) {
  TERCEL_CHECK(classes.empty() || classes.size() == reference.size());
  for (size_t i = 0; i < reference.size(); ++i) {
    const std::vector<float>& p = reference[i];
    const std::vector<size_t> first = first_of(p);
    std::vector<double> leads;
    for (size_t k = 1; k < first.size(); ++k) leads.push_back(lead(p, first[0], first[k]));
    leads_.push_back(std::move(leads));
    if (classes.empty()) continue;
    const auto label = static_cast<size_t>(classes[i]);
    // A label that the network has no class for is never answered.
    if (label >= p.size() || first.size() < 2) label_leads_.push_back(-std::numeric_limits<double>::infinity());
    else label_leads_.push_back(lead(p, label, first[0] == label ? first[1] : first[0]));
  }
}

/// Part of the pictures that change their class where leads move by so much; `effective`: how many pictures say so.
double DropModel::flips_at(double deviation, double& effective) const {
  double sum = 0, squares = 0;
  for (const std::vector<double>& leads : leads_) {
    double flips = 0;
    for (double lead : leads) flips += normal_below(-lead / deviation);
    flips = std::isfinite(flips) ? std::min(flips, 1.0) : 1.0;
    sum += flips;
    squares += flips * flips;
  }
  effective = squares > 0 ? sum * sum / squares : 0;
  return sum / static_cast<double>(leads_.size());
}

DropEstimate DropModel::estimate(const Answers& before, const Answers& after) const {
  TERCEL_CHECK(!leads_.empty() && !before.empty() && before.size() == after.size());
  const Move move = moves(before, after);
  if (!std::isfinite(move.deviation)) return {1, 1, 1, 1};
  if (move.deviation == 0) return {};
  // The density of leads near 0 is estimated from those within reach of the move, or of a wider one where these are too
  // few: what changes its class is in proportion to the move.
  double window = move.deviation, effective = 0;
  double flips = flips_at(window, effective);
  while (effective < kEffective && window < kWidest) {
    window *= 1.25;
    flips = flips_at(window, effective);
  }
  DropEstimate e;
  e.flips = flips * move.deviation / window;
  const double error = std::sqrt(1 / std::max(effective, 1.0) + move.relative_error * move.relative_error);
  e.flips_bound = std::min(1.0, e.flips * std::exp(kConfidence * error));
  e.drop = e.flips;
  e.bound = e.flips_bound;
  if (label_leads_.empty()) return e;
  // Of near ties, as many are won as are lost: what is lost on balance is less than what changes, where there are
  // pictures enough to say so.
  double lost = 0;
  for (double lead : label_leads_) lost += (lead > 0 ? 1 : 0) - normal_below(lead / move.deviation);
  const auto n = static_cast<double>(label_leads_.size());
  e.drop = std::clamp(lost / n, kLeastLost * e.flips, e.flips);
  e.bound = std::min(e.bound, e.drop + kConfidence * std::sqrt(kVariance * e.flips_bound / n));
  return e;
}

double chance_of(size_t counted, double expected) {
  double term = std::exp(-expected), below = 0;
  for (size_t k = 0; k < counted; ++k) {
    below += term;
    term *= expected / static_cast<double>(k + 1);
  }
  return std::max(0.0, 1 - below);
}

}  // namespace tercel::inline quant

#include <limits>

#include "quant/range.h"

namespace tercel::inline quant {
namespace {

constexpr int kSteps = 100;     // of an end: parts of the least and greatest value that are tried
constexpr int kRounds = 4;      // of improving one end after the other
constexpr int kNarrowest = 10;  // a range of less than a tenth is never best: 8 bits have 256 levels

}  // namespace

ValueRange mse_range(const Histogram& histogram, ActivationLevels levels) {
  const ValueRange all = minmax_range(histogram);
  const auto at = [&](int low, int high) { return ValueRange{all.low * low / kSteps, all.high * high / kSteps}; };
  const LevelError errors(histogram);
  const auto error = [&](int low, int high) { return errors.of(levels_over(at(low, high), levels), levels); };
  // Both ends together first, then each for itself until nothing gets better.
  int low = kSteps, high = kSteps;
  double least = std::numeric_limits<double>::infinity();
  const auto attempt = [&](int l, int h) {
    const double e = error(l, h);
    if (e >= least) return false;
    least = e, low = l, high = h;
    return true;
  };
  for (int part = kSteps; part >= kNarrowest; --part) attempt(part, part);
  if (levels == ActivationLevels::symmetric || all.low == 0 || all.high == 0) return at(low, high);
  for (int round = 0; round < kRounds; ++round) {
    bool better = false;
    for (int part = kSteps, fixed = high; part >= 0; --part) better |= attempt(part, fixed);
    for (int part = kSteps, fixed = low; part >= 0; --part) better |= attempt(fixed, part);
    if (!better) break;
  }
  return at(low, high);
}

}  // namespace tercel::inline quant

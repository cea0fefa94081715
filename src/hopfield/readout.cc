#include "hopfield/readout.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tercel::inline hopfield {
namespace {

/// Terms this far below the class's largest, in the exponent, change nothing in f32: a thousand of them are 1e-8 of it.
constexpr float kNegligible = -25;

}  // namespace

void class_scores(std::span<const int32_t> overlaps, std::span<const int32_t> classes, float beta,
                  std::span<float> sums, std::span<float> y) {
  std::fill(y.begin(), y.end(), -std::numeric_limits<float>::infinity());
  std::fill(sums.begin(), sums.end(), 0.0f);
  for (size_t k = 0; k < overlaps.size(); ++k) {
    float& most = y[static_cast<size_t>(classes[k])];
    most = std::max(most, beta * static_cast<float>(overlaps[k]));
  }
  for (size_t k = 0; k < overlaps.size(); ++k) {
    const auto c = static_cast<size_t>(classes[k]);
    const float below = beta * static_cast<float>(overlaps[k]) - y[c];
    if (below == 0) sums[c] += 1;
    else if (below > kNegligible) sums[c] += std::exp(below);
  }
  for (size_t c = 0; c < y.size(); ++c)
    if (sums[c] > 1) y[c] += std::log(sums[c]);
}

}  // namespace tercel::inline hopfield

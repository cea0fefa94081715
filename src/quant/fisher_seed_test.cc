#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "quant/gradient.h"

namespace tercel::inline quant {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

TEST(FisherSeed, AveragesToNothingAndItsSquaresToTheFisherInformation) {
  const Array logits({1, 3}, std::vector<float>{0.5f, -1, 1});
  std::vector<double> p;
  double sum = 0;
  for (float z : logits.floats()) sum += p.emplace_back(std::exp(static_cast<double>(z)));
  Array probabilities = logits;
  for (size_t i = 0; i < 3; ++i) probabilities.floats()[i] = static_cast<float>(p[i] /= sum);
  constexpr int kDraws = 20000;
  Rng rng(5), same(5);
  std::array<double, 3> mean{}, square{};
  for (int draw = 0; draw < kDraws; ++draw) {
    const Array seed = fisher_seed(logits, false, 1, rng);
    const Array of_p = fisher_seed(probabilities, true, 1, same);
    const double along = dot(of_p.floats(), probabilities.floats());
    for (size_t i = 0; i < 3; ++i) {
      const auto s = static_cast<double>(seed.floats()[i]);
      mean[i] += s / kDraws;
      square[i] += s * s / kDraws;
      // Through the softmax, the second is the first: p (g - g . p).
      EXPECT_NEAR(p[i] * (static_cast<double>(of_p.floats()[i]) - along), s, 1e-5);
    }
  }
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(mean[i], 0, 0.02);
    EXPECT_NEAR(square[i], p[i] * (1 - p[i]), 0.02);
  }
}

TEST(FisherSeed, IsThatOfSoftenedAnswersThroughASoftmaxToo) {
  const Array logits({1, 3}, std::vector<float>{4, -30, 1}), colder({1, 3}, std::vector<float>{2, -15, 0.5f});
  Array probabilities = logits;
  double sum = 0;
  for (float z : logits.floats()) sum += std::exp(static_cast<double>(z));
  for (float& z : probabilities.floats()) z = static_cast<float>(std::exp(static_cast<double>(z)) / sum);
  Rng rng(5), same(5), again(5);
  for (int draw = 0; draw < 100; ++draw) {
    const Array seed = fisher_seed(colder, false, 1, rng);
    const Array of_z = fisher_seed(logits, false, 2, same);
    const Array of_p = fisher_seed(probabilities, true, 2, again);
    const double along = dot(of_p.floats(), probabilities.floats());
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(of_z.floats()[i], seed.floats()[i], 1e-6);
      const auto p = static_cast<double>(probabilities.floats()[i]);
      EXPECT_NEAR(p * (static_cast<double>(of_p.floats()[i]) - along), static_cast<double>(seed.floats()[i]), 1e-5);
    }
  }
}

}  // namespace
}  // namespace tercel::inline quant

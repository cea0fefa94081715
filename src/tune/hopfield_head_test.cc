#include "tune/hopfield_head.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace tercel::inline tune {
namespace {

LabelledFeatures features_of(float (*change)(float)) {
  Rng rng(3);
  LabelledFeatures data;
  data.width = 16;
  for (int i = 0; i < 64; ++i) {
    data.classes.push_back(i % 2);
    for (int64_t k = 0; k < data.width; ++k) data.values.push_back(change(static_cast<float>(rng.normal())));
  }
  return data;
}

TEST(SimpleBinarization, ZeroNeedsFeaturesOnEitherSideOfIt) {
  EXPECT_STREQ(features_of([](float v) { return v; }).simple_binarization(), "zero");
  EXPECT_STREQ(features_of([](float v) { return v + 3; }).simple_binarization(), "median");
  // Behind a ReLU half of the features are above 0, but the others are 0: of no sign.
  EXPECT_STREQ(features_of([](float v) { return v > 0 ? v : 0.0f; }).simple_binarization(), "median");
}

}  // namespace
}  // namespace tercel::inline tune

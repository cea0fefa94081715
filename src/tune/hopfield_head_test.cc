#include "tune/hopfield_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error_testing.h"
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

TEST(CheckFeatures, RefusesFeaturesThatAreTheSameForAllPictures) {
  LabelledFeatures data = features_of([](float) { return 0.5f; });
  EXPECT_THAT(error_of([&] { check_features(data, "f"); }),
              testing::HasSubstr("the cut at 'f' separates nothing: its features are the same for all 64 pictures"));
  data.values.back() = 0.25f;
  check_features(data, "f");
  data.values[17] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of([&] { check_features(data, "f"); }), testing::HasSubstr("feature 1 of row 1 is nan"));
}

TEST(CheckFeatures, TakesOnePicture) { check_features({2, {0, 0}, {0}}, "f"); }

TEST(SharedPatterns, AreThoseOfSeveralClasses) {
  hopfield::PatternMemory memory;
  const std::vector<float> rows{1, -1, 1, -1, -1, -1, 1, 1, 1, 1};  // five patterns of two bits
  memory.patterns = hopfield::BitPatterns::of_signs(rows, 2);
  memory.classes = {0, 1, 1, 2, 2};
  EXPECT_EQ(shared_patterns(memory), 2);  // the first two: those of class 2 are the same, but of one class
}

TEST(FitHead, SaysWhichNumbersItDoesNotTake) {
  const LabelledFeatures data = features_of([](float v) { return v; });
  HopfieldOptions options;
  options.binarization = "zero";
  options.evaluations = 0;
  EXPECT_THAT(error_of([&] { fit_head(data, 2, options); }), testing::HasSubstr("0 evaluations: wanted at least one"));
}

TEST(ScoresOf, CanBeStoppedWhileNetworksSettle) {
  const LabelledFeatures data = features_of([](float v) { return v; });
  HopfieldOptions options;
  options.binarization = "zero";
  options.rule = "pseudo_inverse";
  const FittedHead fitted = fit_head(data, 2, options);
  const hopfield::BitPatterns probes = fitted.binarizer.binarize(data.rows());
  int asked = 0;
  EXPECT_THAT(error_of([&] { scores_of(fitted.head, probes, [&](std::string_view, double) { return ++asked < 3; }); }),
              testing::HasSubstr("stopped while networks settle"));
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(scores_of(fitted.head, probes, [](std::string_view, double) { return true; }),
            scores_of(fitted.head, probes));
}

}  // namespace
}  // namespace tercel::inline tune

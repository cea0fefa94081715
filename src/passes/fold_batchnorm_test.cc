#include "passes/fold_batchnorm.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

/// gamma / sqrt(var) = 3 / 2: w' = 2 * 3 / 2, b' = (1 - 2) * 3 / 2 + 1.
TEST(FoldBatchnorm, GoesIntoWeightsAndBias) {
  expect_after(fold_batchnorm,
               R"(input %x : f32[1x1x2x2]
const %w : f32[1x1x1x1] = [2]
const %b : f32[1] = [1]
const %gamma : f32[1] = [3]
const %beta : f32[1] = [1]
const %mean : f32[1] = [2]
const %var : f32[1] = [4]
%c : f32[1x1x2x2] = Conv(%x, %w, %b)
%y : f32[1x1x2x2] = BatchNormalization(%c, %gamma, %beta, %mean, %var) {epsilon = 0}
output %y
)",
               R"(input %x : f32[1x1x2x2]
const %w_bn : f32[1x1x1x1] = [3]
const %beta_bn : f32[1] = [-0.5]
%y : f32[1x1x2x2] = Conv(%x, %w_bn, %beta_bn)
output %y
)");
}

TEST(FoldBatchnorm, AConvolutionThatIsReadElsewhereStays) {
  std::string notes;
  const std::string text = R"(input %x : f32[1x1x2x2]
const %w : f32[1x1x1x1] = [2]
const %one : f32[1] = [1]
%c : f32[1x1x2x2] = Conv(%x, %w)
%y : f32[1x1x2x2] = BatchNormalization(%c, %one, %one, %one, %one)
output %y
output %c
)";
  EXPECT_EQ(after(fold_batchnorm, text, &notes), normalized(text));
  EXPECT_THAT(notes, testing::HasSubstr("node of 'y' (BatchNormalization) stays"));
}

}  // namespace
}  // namespace tercel::inline passes

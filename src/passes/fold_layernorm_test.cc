#include "passes/fold_layernorm.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

/// diag(1, 2) W with W = [1 2; 3 4], and b + beta W = [0 0] + [1 1] W.
TEST(FoldLayernorm, ScaleAndBiasGoIntoTheProduct) {
  expect_after(fold_layernorm,
               R"(input %x : f32[5x2]
const %gamma : f32[2] = [1, 2]
const %beta : f32[2] = [1, 1]
const %w : f32[2x2] = [1, 2, 3, 4]
const %b : f32[2] = [0, 0]
%n : f32[5x2] = LayerNormalization(%x, %gamma, %beta)
%m : f32[5x2] = MatMul(%n, %w)
%y : f32[5x2] = Add(%m, %b)
output %y
)",
               R"(input %x : f32[5x2]
const %w_ln : f32[2x2] = [1, 2, 6, 8]
const %b_ln : f32[2] = [4, 6]
const %ones : f32[2] = [1, 1]
%n : f32[5x2] = LayerNormalization(%x, %ones)
%m : f32[5x2] = MatMul(%n, %w_ln)
%y : f32[5x2] = Add(%m, %b_ln)
output %y
)");
}

TEST(FoldLayernorm, ANormThatIsReadElsewhereStays) {
  std::string notes;
  const std::string text = R"(input %x : f32[5x2]
const %gamma : f32[2] = [1, 2]
const %beta : f32[2] = [1, 1]
const %w : f32[2x2] = [1, 2, 3, 4]
%n : f32[5x2] = LayerNormalization(%x, %gamma, %beta) "norm"
%m : f32[5x2] = MatMul(%n, %w)
%y : f32[5x2] = Add(%m, %n)
output %y
)";
  EXPECT_EQ(after(fold_layernorm, text, &notes), normalized(text));
  EXPECT_THAT(notes, testing::HasSubstr("norm"));
}

}  // namespace
}  // namespace tercel::inline passes

#include "passes/lower_linear.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(LowerLinear, ConvolutionsAndProductsTakeTheEnginesForm) {
  expect_after(lower_linear,
               R"(input %x : f32[1x1x4x4]
input %w : f32[1x1x3x3]
%y : f32[1x1x2x2] = Conv(%x, %w)
output %y
)",
               R"(input %x : f32[1x1x4x4]
input %w : f32[1x1x3x3]
%y : f32[1x1x2x2] = FusedConv(%x, %w)
output %y
)");
  expect_after(lower_linear, "input %a : f32[2x3]\ninput %b : f32[3x4]\n%y : f32[2x4] = MatMul(%a, %b)\noutput %y\n",
               "input %a : f32[2x3]\ninput %b : f32[3x4]\n%y : f32[2x4] = FusedMatMul(%a, %b)\noutput %y\n");
}

TEST(LowerLinear, GemmsFactorsFold) {
  expect_after(lower_linear,
               R"(input %a : f32[2x3]
const %w : f32[1x3] = [1, 2, 3]
const %c : f32[1] = [4]
%y : f32[2x1] = Gemm(%a, %w, %c) {alpha = 0.5, beta = 2, transB = 1}
output %y
)",
               R"(input %a : f32[2x3]
const %w : f32[1x3] = [1, 2, 3]
const %c_beta : f32[1] = [8]
%y : f32[2x1] = FusedMatMul(%a, %w, %c_beta) {alpha_scale = 0.5, transB = 1}
output %y
)");
}

TEST(LowerLinear, OtherTypesStay) {
  expect_unchanged(lower_linear,
                   "input %a : f64[2x3]\ninput %b : f64[3x4]\n%y : f64[2x4] = MatMul(%a, %b)\noutput %y\n");
}

}  // namespace
}  // namespace tercel::inline passes

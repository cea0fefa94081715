#include "passes/defer_layernorm.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

/// Centring goes into the weights: each column of P W has mean 0.
TEST(DeferLayernorm, BecomesAFactorPerRow) {
  expect_after(defer_layernorm,
               R"(input %x : f32[5x2]
const %one : f32[2] = [1, 1]
const %w : f32[2x2] = [1, 2, 3, 6]
%n : f32[5x2] = LayerNormalization(%x, %one)
%y : f32[5x2] = FusedMatMul(%n, %w)
output %y
)",
               R"(input %x : f32[5x2]
const %w_centred : f32[2x2] = [-1, -2, 1, 2]
%row_scale : f32[5x1] = ai.tercel.RowScale(%x)
%y : f32[5x2] = FusedMatMul(%x, %w_centred, _, _, %row_scale)
output %y
)");
}

/// Scale and bias are fold_layernorm's.
TEST(DeferLayernorm, ANormWithAScaleStays) {
  expect_unchanged(defer_layernorm,
                   R"(input %x : f32[5x2]
const %gamma : f32[2] = [1, 2]
const %w : f32[2x2] = [1, 2, 3, 6]
%n : f32[5x2] = LayerNormalization(%x, %gamma)
%y : f32[5x2] = FusedMatMul(%n, %w)
output %y
)");
}

}  // namespace
}  // namespace tercel::inline passes

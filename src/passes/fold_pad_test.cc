#include "passes/fold_pad.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(FoldPad, PadsAddUp) {
  expect_after(fold_pad,
               R"(input %x : f32[1x2x5x5]
input %w : f32[3x2x3x3]
const %pads : i64[8] = [0, 0, 1, 2, 0, 0, 0, 1]
%p : f32[1x2x6x8] = Pad(%x, %pads)
%y : f32[1x3x5x7] = Conv(%p, %w) {pads = [1, 0, 0, 1]}
output %y
)",
               R"(input %x : f32[1x2x5x5]
input %w : f32[3x2x3x3]
%y : f32[1x3x5x7] = Conv(%x, %w) {auto_pad = "NOTSET", pads = [2, 2, 0, 2]}
output %y
)");
}

TEST(FoldPad, OtherValuesThanZeroStay) {
  expect_unchanged(fold_pad,
                   R"(input %x : f32[1x1x3x3]
input %w : f32[1x1x3x3]
const %pads : i64[8] = [0, 0, 1, 1, 0, 0, 1, 1]
const %one : f32[] = [1]
%p : f32[1x1x5x5] = Pad(%x, %pads, %one)
%y : f32[1x1x3x3] = Conv(%p, %w)
output %y
)");
}

TEST(FoldPad, AnAverageThatDoesNotCountPaddingStays) {
  expect_unchanged(fold_pad,
                   R"(input %x : f32[1x1x3x3]
const %pads : i64[8] = [0, 0, 1, 1, 0, 0, 1, 1]
%p : f32[1x1x5x5] = Pad(%x, %pads)
%y : f32[1x1x3x3] = AveragePool(%p) {kernel_shape = [3, 3]}
output %y
)");
}

}  // namespace
}  // namespace tercel::inline passes

#include "passes/fuse_activation.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(FuseActivation, IsAppliedWhereTheResultIsWritten) {
  expect_after(fuse_activation,
               R"(input %x : f32[1x1x4x4]
input %w : f32[1x1x3x3]
%c : f32[1x1x2x2] = FusedConv(%x, %w)
%y : f32[1x1x2x2] = Relu(%c)
output %y
)",
               R"(input %x : f32[1x1x4x4]
input %w : f32[1x1x3x3]
%y : f32[1x1x2x2] = FusedConv(%x, %w) {activation = "Relu"}
output %y
)");
  expect_after(
      fuse_activation,
      "input %a : f32[2]\ninput %b : f32[2]\n%s : f32[2] = Add(%a, %b)\n%y : f32[2] = Relu(%s)\noutput %y\n",
      "input %a : f32[2]\ninput %b : f32[2]\n%y : f32[2] = FusedAdd(%a, %b) {activation = \"Relu\"}\noutput %y\n");
}

TEST(FuseActivation, AResultThatIsReadElsewhereStays) {
  expect_unchanged(fuse_activation,
                   R"(input %x : f32[1x1x4x4]
input %w : f32[1x1x3x3]
%c : f32[1x1x2x2] = FusedConv(%x, %w)
%y : f32[1x1x2x2] = Relu(%c)
output %y
output %c
)");
}

}  // namespace
}  // namespace tercel::inline passes

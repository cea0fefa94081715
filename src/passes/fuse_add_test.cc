#include "passes/fuse_add.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(FuseAdd, AConstantIsABias) {
  expect_after(fuse_add,
               R"(input %a : f32[2x3]
input %w : f32[3x2]
const %c : f32[2] = [1, 2]
%m : f32[2x2] = FusedMatMul(%a, %w)
%y : f32[2x2] = Add(%m, %c)
output %y
)",
               R"(input %a : f32[2x3]
input %w : f32[3x2]
const %c_bias : f32[2] = [1, 2]
%y : f32[2x2] = FusedMatMul(%a, %w, %c_bias)
output %y
)");
}

TEST(FuseAdd, AValueOfTheSameShapeIsAResidual) {
  expect_after(fuse_add,
               R"(input %a : f32[2x3]
input %w : f32[3x2]
input %r : f32[2x2]
%m : f32[2x2] = FusedMatMul(%a, %w)
%y : f32[2x2] = Add(%m, %r)
output %y
)",
               R"(input %a : f32[2x3]
input %w : f32[3x2]
input %r : f32[2x2]
%y : f32[2x2] = FusedMatMul(%a, %w, _, %r)
output %y
)");
}

TEST(FuseAdd, AProductThatIsReadElsewhereStays) {
  expect_unchanged(fuse_add,
                   R"(input %a : f32[2x3]
input %w : f32[3x2]
input %r : f32[2x2]
%m : f32[2x2] = FusedMatMul(%a, %w)
%y : f32[2x2] = Add(%m, %r)
output %y
output %m
)");
}

}  // namespace
}  // namespace tercel::inline passes

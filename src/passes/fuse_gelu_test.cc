#include "passes/fuse_gelu.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(FuseGelu, FromTheFormWithErf) {
  expect_after(fuse_gelu,
               R"(input %x : f32[2]
const %root : f32[] = [1.4142135]
const %one : f32[] = [1]
const %half : f32[] = [0.5]
%d : f32[2] = Div(%x, %root)
%e : f32[2] = Erf(%d)
%a : f32[2] = Add(%e, %one)
%m : f32[2] = Mul(%x, %a)
%y : f32[2] = Mul(%m, %half)
output %y
)",
               "input %x : f32[2]\n%y : f32[2] = Gelu(%x)\noutput %y\n");
}

TEST(FuseGelu, OtherConstantsStay) {
  expect_unchanged(fuse_gelu,
                   R"(input %x : f32[2]
const %root : f32[] = [1.5]
const %one : f32[] = [1]
const %half : f32[] = [0.5]
%d : f32[2] = Div(%x, %root)
%e : f32[2] = Erf(%d)
%a : f32[2] = Add(%e, %one)
%m : f32[2] = Mul(%x, %a)
%y : f32[2] = Mul(%m, %half)
output %y
)");
}

}  // namespace
}  // namespace tercel::inline passes

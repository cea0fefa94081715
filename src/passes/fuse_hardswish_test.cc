#include "passes/fuse_hardswish.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(FuseHardswish, FromHardSigmoid) {
  expect_after(fuse_hardswish,
               R"(input %x : f32[2]
%h : f32[2] = HardSigmoid(%x) {alpha = 0.16666667, beta = 0.5}
%y : f32[2] = Mul(%x, %h)
output %y
)",
               "input %x : f32[2]\n%y : f32[2] = HardSwish(%x)\noutput %y\n");
}

TEST(FuseHardswish, FromClip) {
  expect_after(fuse_hardswish,
               R"(input %x : f32[2]
const %three : f32[] = [3]
const %zero : f32[] = [0]
const %six : f32[] = [6]
%a : f32[2] = Add(%x, %three)
%c : f32[2] = Clip(%a, %zero, %six)
%m : f32[2] = Mul(%x, %c)
%y : f32[2] = Div(%m, %six)
output %y
)",
               "input %x : f32[2]\n%y : f32[2] = HardSwish(%x)\noutput %y\n");
}

}  // namespace
}  // namespace tercel::inline passes

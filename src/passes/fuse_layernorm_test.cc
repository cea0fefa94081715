#include "passes/fuse_layernorm.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(FuseLayernorm, FromPrimitives) {
  expect_after(fuse_layernorm,
               R"(input %x : f32[5x2]
const %gamma : f32[2] = [1, 2]
const %beta : f32[2] = [3, 4]
const %axes : i64[1] = [-1]
const %two : f32[] = [2]
const %eps : f32[] = [0.5]
%m : f32[5x1] = ReduceMean(%x, %axes)
%d : f32[5x2] = Sub(%x, %m)
%q : f32[5x2] = Pow(%d, %two)
%v : f32[5x1] = ReduceMean(%q, %axes)
%e : f32[5x1] = Add(%v, %eps)
%s : f32[5x1] = Sqrt(%e)
%n : f32[5x2] = Div(%d, %s)
%g : f32[5x2] = Mul(%n, %gamma)
%y : f32[5x2] = Add(%g, %beta)
output %y
)",
               R"(input %x : f32[5x2]
const %gamma : f32[2] = [1, 2]
const %beta : f32[2] = [3, 4]
%y : f32[5x2] = LayerNormalization(%x, %gamma, %beta) {axis = -1, epsilon = 0.5}
output %y
)");
}

TEST(FuseLayernorm, OverOtherAxesStays) {
  expect_unchanged(fuse_layernorm,
                   R"(input %x : f32[5x2]
const %gamma : f32[2] = [1, 2]
const %beta : f32[2] = [3, 4]
const %axes : i64[1] = [0]
const %two : f32[] = [2]
const %eps : f32[] = [0.5]
%m : f32[1x2] = ReduceMean(%x, %axes)
%d : f32[5x2] = Sub(%x, %m)
%q : f32[5x2] = Pow(%d, %two)
%v : f32[1x2] = ReduceMean(%q, %axes)
%e : f32[1x2] = Add(%v, %eps)
%s : f32[1x2] = Sqrt(%e)
%n : f32[5x2] = Div(%d, %s)
%g : f32[5x2] = Mul(%n, %gamma)
%y : f32[5x2] = Add(%g, %beta)
output %y
)");
}

}  // namespace
}  // namespace tercel::inline passes

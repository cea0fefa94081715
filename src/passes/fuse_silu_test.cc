#include "passes/fuse_silu.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(FuseSilu, InEitherOrder) {
  expect_after(fuse_silu, "input %x : f32[2]\n%s : f32[2] = Sigmoid(%x)\n%y : f32[2] = Mul(%s, %x)\noutput %y\n",
               "input %x : f32[2]\n%y : f32[2] = Silu(%x)\noutput %y\n");
  expect_after(fuse_silu, "input %x : f32[2]\n%s : f32[2] = Sigmoid(%x)\n%y : f32[2] = Mul(%x, %s)\noutput %y\n",
               "input %x : f32[2]\n%y : f32[2] = Silu(%x)\noutput %y\n");
}

TEST(FuseSilu, AGateOfAnotherValueStays) {
  expect_unchanged(fuse_silu, R"(input %x : f32[2]
input %z : f32[2]
%s : f32[2] = Sigmoid(%z)
%y : f32[2] = Mul(%x, %s)
output %y
)");
}

}  // namespace
}  // namespace tercel::inline passes

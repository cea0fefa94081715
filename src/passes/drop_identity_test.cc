#include "passes/drop_identity.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(DropIdentity, ReadersTakeTheOperand) {
  expect_after(drop_identity,
               R"(input %x : f32[2]
%t : f32[2] = Relu(%x)
%i : f32[2] = Identity(%t)
%y : f32[2] = Neg(%i)
output %y
)",
               R"(input %x : f32[2]
%t : f32[2] = Relu(%x)
%y : f32[2] = Neg(%t)
output %y
)");
}

TEST(DropIdentity, AnOutputKeepsItsName) {
  expect_after(drop_identity, "input %x : f32[2]\n%t : f32[2] = Relu(%x)\n%y : f32[2] = Identity(%t)\noutput %y\n",
               "input %x : f32[2]\n%y : f32[2] = Relu(%x)\noutput %y\n");
}

TEST(DropIdentity, AnOutputThatIsAnInputStays) {
  expect_unchanged(drop_identity, "input %x : f32[2]\n%y : f32[2] = Identity(%x)\noutput %y\n");
}

TEST(DropIdentity, TwoTransposesBecomeOne) {
  expect_after(drop_identity,
               R"(input %x : f32[2x3x4]
%a : f32[4x2x3] = Transpose(%x) {perm = [2, 0, 1]}
%y : f32[3x4x2] = Transpose(%a) {perm = [2, 0, 1]}
output %y
)",
               R"(input %x : f32[2x3x4]
%y : f32[3x4x2] = Transpose(%x) {perm = [1, 2, 0]}
output %y
)");
}

}  // namespace
}  // namespace tercel::inline passes

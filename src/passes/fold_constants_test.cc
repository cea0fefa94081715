#include "passes/fold_constants.h"

#include "passes/pass_testing.h"
#include "tensor/tensor.h"

namespace tercel::inline passes {
namespace {

/// The sum, in place of a kernel.
std::vector<Tensor> add_integers(const Node& node) {
  const auto a = node.input(0)->constant.to_ints(), b = node.input(1)->constant.to_ints();
  return {Tensor::of<int64_t>({1}, {a[0] + b[0]})};
}

TEST(FoldConstants, NodesOfConstantsAreComputed) {
  EXPECT_EQ(after(fold_constants,
                  R"(input %x : f32[2x3]
const %a : i64[1] = [2]
const %b : i64[1] = [4]
%shape : i64[1] = Add(%a, %b)
%y : f32[6] = Reshape(%x, %shape)
output %y
)",
                  nullptr, add_integers),
            normalized(R"(input %x : f32[2x3]
const %shape : i64[1] = [6]
%y : f32[6] = Reshape(%x, %shape)
output %y
)"));
}

TEST(FoldConstants, ShapesOfKnownExtentAreConstant) {
  expect_after(fold_constants,
               R"(input %x : f32[2x3]
input %z : f32[3x2]
%s : i64[2] = Shape(%x)
%y : f32[2x3] = Reshape(%z, %s)
output %y
)",
               R"(input %x : f32[2x3]
input %z : f32[3x2]
const %s : i64[2] = [2, 3]
%y : f32[2x3] = Reshape(%z, %s)
output %y
)");
}

TEST(FoldConstants, ShapesOfOpenExtentStay) {
  expect_unchanged(fold_constants, "input %x : f32[?x3]\n%s : i64[2] = Shape(%x)\noutput %s\n");
}

}  // namespace
}  // namespace tercel::inline passes

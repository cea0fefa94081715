#include "passes/hoist_gather.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

TEST(HoistGather, OnlyTheTokenThatIsReadIsNormalized) {
  expect_after(hoist_gather,
               R"(input %x : f32[2x6x2]
const %gamma : f32[2] = [1, 2]
const %zero : i64[] = [0]
%n : f32[2x6x2] = LayerNormalization(%x, %gamma)
%y : f32[2x2] = Gather(%n, %zero) {axis = 1}
output %y
)",
               R"(input %x : f32[2x6x2]
const %gamma : f32[2] = [1, 2]
const %zero : i64[] = [0]
%y.replaced : f32[2x2] = Gather(%x, %zero) {axis = 1}
%y : f32[2x2] = LayerNormalization(%y.replaced, %gamma)
output %y
)");
}

TEST(HoistGather, AGatherAlongTheChannelsStays) {
  expect_unchanged(hoist_gather,
                   R"(input %x : f32[2x6x2]
const %gamma : f32[2] = [1, 2]
const %zero : i64[] = [0]
%n : f32[2x6x2] = LayerNormalization(%x, %gamma)
%y : f32[2x6] = Gather(%n, %zero) {axis = 2}
output %y
)");
}

TEST(HoistGather, ANormThatIsReadWholeStays) {
  expect_unchanged(hoist_gather,
                   R"(input %x : f32[2x6x2]
const %gamma : f32[2] = [1, 2]
const %zero : i64[] = [0]
%n : f32[2x6x2] = LayerNormalization(%x, %gamma)
%y : f32[2x2] = Gather(%n, %zero) {axis = 1}
output %y
output %n
)");
}

}  // namespace
}  // namespace tercel::inline passes

#include "tensor/einsum.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tercel::inline tensor {
namespace {

std::string result(std::string_view equation, const std::vector<Dims>& shapes) {
  return to_string(plan_einsum(equation, shapes).result_dims());
}

TEST(Einsum, ResultShapes) {
  EXPECT_EQ(result("ij,jk->ik", {{2, 3}, {3, 4}}), "2x4");
  EXPECT_EQ(result("ij,jk", {{2, 3}, {3, 4}}), "2x4");
  EXPECT_EQ(result(" b i , j i -> b j ", {{2, 3}, {5, 3}}), "2x5");
  EXPECT_EQ(result("ii->i", {{3, 3}}), "3");
  EXPECT_EQ(result("ii", {{3, 3}}), "scalar");
  EXPECT_EQ(result("ba", {{2, 3}}), "3x2");  // alphabetical order
  EXPECT_EQ(result("...ij,...jk->...ik", {{7, 1, 2, 3}, {5, 3, 4}}), "7x5x2x4");
  EXPECT_EQ(result("...i,i", {{7, 5, 3}, {3}}), "7x5");
  EXPECT_EQ(result("i...->...", {{2, 3, 4}}), "3x4");
  EXPECT_EQ(result("...,...->...", {{}, {}}), "scalar");
  EXPECT_EQ(result("ij,jk->ik", {{kUnknown, 3}, {kUnknown, 4}}), "?x4");
}

TEST(Einsum, RefusesWhatIsWrong) {
  for (std::string_view equation :
       {"ij->ij,", "ij->ik", "ij->ii", "i", "ijk", "i1", "ij,jk", "i..j", "......", "ij->i->j"})
    EXPECT_THROW(plan_einsum(equation, {{2, 3}}), Error) << equation;
  EXPECT_THROW(plan_einsum("ij,jk->ik", {{2, 3}, {4, 5}}), Error);
  EXPECT_THROW(plan_einsum("...i->i...", {{}}), Error);
}

}  // namespace
}  // namespace tercel::inline tensor

#include "tensor/attrs.h"

#include <gtest/gtest.h>

#include <limits>

namespace tercel::inline tensor {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(Attrs, ANumberThatIsNoneIsTheSameAsItself) {
  EXPECT_TRUE(same(Attr(kNaN), Attr(kNaN)));
  EXPECT_TRUE(same(Attr(std::vector<float>{1, kNaN}), Attr(std::vector<float>{1, kNaN})));
  EXPECT_FALSE(same(Attr(kNaN), Attr(1.0f)));
  EXPECT_FALSE(same(Attr(0.0f), Attr(-0.0f)));
  EXPECT_FALSE(same(Attr(1.0f), Attr(int64_t{1})));
  EXPECT_FALSE(same(Attr(std::vector<float>{1}), Attr(std::vector<float>{1, 2})));
  EXPECT_EQ((Attrs{{"alpha", kNaN}}), (Attrs{{"alpha", kNaN}}));
  EXPECT_FALSE((Attrs{{"alpha", kNaN}}) == (Attrs{{"beta", kNaN}}));
}

}  // namespace
}  // namespace tercel::inline tensor

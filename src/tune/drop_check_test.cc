#include "tune/drop_check.h"

#include <gmock/gmock.h>

namespace tercel::inline tune {
namespace {

using testing::EndsWith;

TEST(WhyAbove, NamesTheLimitWhereItIsStricterThanTheOneAskedFor) {
  const DropPromise promise{0.3, 0.024, 0.22, false, ""};
  EXPECT_THAT(why_above(promise, 0.21),
              EndsWith("upper bound at 0.22, and a check after others on the same pictures allows 0.21"));
  EXPECT_THAT(why_above({0.2, 0.024, 0.22, false, ""}, 0.2), EndsWith("its upper bound at 0.22"));
}

}  // namespace
}  // namespace tercel::inline tune

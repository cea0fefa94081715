#include "image/picture_testing.h"

namespace tercel::inline image {
namespace {

using namespace testing;

TEST(Crop, InsideAndOutside) {
  const Image source = ramps(7, 5);
  for (int x = -9; x <= 9; x += 3)
    for (int y = -9; y <= 9; y += 2)
      for (const auto& [w, h] : {std::pair{1, 1}, std::pair{4, 3}, std::pair{20, 20}}) {
        const Image expected = picture(w, h, [&](int i, int j, int c) {
          const bool inside = x + i >= 0 && x + i < 7 && y + j >= 0 && y + j < 5;
          return inside ? source.row(y + j)[(x + i) * 3 + c] : 0;
        });
        EXPECT_EQ(largest_difference(crop(source, x, y, w, h), expected), 0) << x << " " << y << " " << w << " " << h;
      }
}

TEST(Crop, FarAway) {
  constexpr int kLow = std::numeric_limits<int>::min(), kHigh = std::numeric_limits<int>::max();
  for (const int x : {kLow, kHigh})
    for (const int y : {kLow, 0, kHigh}) EXPECT_EQ(levels(crop(ramps(3, 3), x, y, 2, 1)), std::vector<uint8_t>(6, 0));
  EXPECT_EQ(levels(crop(Image(), 0, 0, 2, 1)), std::vector<uint8_t>(6, 0));
}

TEST(Crop, Errors) {
  EXPECT_THROW(crop(ramps(3, 3), 0, 0, 0, 1), Error);
  EXPECT_THROW(crop(ramps(3, 3), 0, 0, 1 << 20, 1 << 20), Error);
}

}  // namespace
}  // namespace tercel::inline image

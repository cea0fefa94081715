#include "plan/arena.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tensor/buffer.h"

namespace tercel::inline plan {
namespace {

TEST(Arena, ValuesThatLiveTogetherNeverOverlap) {
  Rng rng(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> values(static_cast<size_t>(rng.below(40)));
    for (Lifetime& v : values) {
      v.bytes = static_cast<size_t>(rng.below(1000));
      v.first = static_cast<int>(rng.below(20));
      v.last = v.first + static_cast<int>(rng.below(5));
    }
    const size_t total = place_in_arena(values);
    for (size_t a = 0; a < values.size(); ++a) {
      EXPECT_EQ(values[a].offset % kAlignment, 0u);
      EXPECT_LE(values[a].offset + values[a].bytes, total);
      for (size_t b = 0; b < a; ++b) {
        const bool together = values[a].first <= values[b].last && values[b].first <= values[a].last;
        const bool apart = values[a].offset + values[a].bytes <= values[b].offset ||
                           values[b].offset + values[b].bytes <= values[a].offset;
        EXPECT_TRUE(apart || !together || values[a].bytes == 0 || values[b].bytes == 0);
      }
    }
  }
}

TEST(Arena, AChainNeedsItsTwoLargestNeighbours) {
  std::vector<Lifetime> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({6400, i, i + 1});
  EXPECT_EQ(place_in_arena(chain), 2u * 6400);
}

}  // namespace
}  // namespace tercel::inline plan

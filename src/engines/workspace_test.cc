#include "engines/workspace.h"

#include <gtest/gtest.h>

namespace tercel::inline engines {
namespace {

TEST(WorkspacePool, OneAfterTheOtherUsesTheSameMemory) {
  WorkspacePool pool;
  const std::byte* first = nullptr;
  {
    const auto workspace = pool.borrow(1000);
    first = workspace.data();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % kAlignment, 0u);
    EXPECT_EQ(pool.free_bytes(), 0u);
  }
  EXPECT_EQ(pool.free_bytes(), 1000u);
  EXPECT_EQ(pool.borrow(400).data(), first);
}

TEST(WorkspacePool, TwoAtOnceHaveTheirOwn) {
  WorkspacePool pool;
  {
    const auto a = pool.borrow(100);
    const auto b = pool.borrow(100);
    EXPECT_NE(a.data(), b.data());
  }
  EXPECT_EQ(pool.free_bytes(), 200u);
}

TEST(WorkspacePool, ATooSmallOneIsReplacedAndTheSmallestThatFitsIsTaken) {
  WorkspacePool pool;
  { const auto a = pool.borrow(100); }
  { const auto a = pool.borrow(5000); }
  EXPECT_EQ(pool.free_bytes(), 5000u);
  {
    const auto large = pool.borrow(5000);
    const auto small = pool.borrow(10);
  }
  EXPECT_EQ(pool.free_bytes(), 5010u);
  { const auto fits = pool.borrow(8); }
  EXPECT_EQ(pool.free_bytes(), 5010u);
  const auto small = pool.borrow(10);
  EXPECT_EQ(pool.free_bytes(), 5000u);
}

}  // namespace
}  // namespace tercel::inline engines

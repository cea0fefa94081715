#include "base/threads.h"

#include <gmock/gmock.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/fork_testing.h"

namespace tercel::inline base {
namespace {

/// As if the machine had four free processors, whatever it has: loops are shared out even on one.
class ParallelFor : public testing::Test {
 protected:
  ParallelFor() { detail::assume_processors(4); }
  ~ParallelFor() override { detail::assume_processors(0); }
};

/// How often each item was visited.
std::vector<int> visits(int64_t count, int64_t grain) {
  std::vector<int> counts(static_cast<size_t>(count));
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++counts[static_cast<size_t>(i)];
  });
  return counts;
}

TEST_F(ParallelFor, VisitsEveryItemOnce) {
  for (int threads : {1, 2, 3, 7, 200}) {
    const ThreadScope scope(threads);
    for (int64_t count : {0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 1000})
      for (int64_t grain : {-1, 0, 1, 2, 3, 64, 2000})
        EXPECT_THAT(visits(count, grain), testing::Each(1)) << count << " by " << grain << " on " << threads;
  }
}

TEST_F(ParallelFor, ChunksHoldTheGrainButForTheLast) {
  const ThreadScope scope(4);
  std::mutex mutex;
  std::vector<int64_t> sizes;
  parallel_for(1001, 10, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(begin % 10, 0);
    if (end != 1001) sizes.push_back(end - begin);
  });
  EXPECT_THAT(sizes, testing::Each(testing::Ge(10)));
}

TEST_F(ParallelFor, LanesNeverOverlap) {
  const ThreadScope scope(4);
  std::vector<std::atomic<int>> inside(4);
  for (int round = 0; round < 200; ++round)
    parallel_for(64, 1, [&](int64_t, int64_t, int lane) {
      ASSERT_GE(lane, 0);
      ASSERT_LT(lane, 4);
      EXPECT_EQ(inside[static_cast<size_t>(lane)].fetch_add(1), 0);
      std::this_thread::yield();
      inside[static_cast<size_t>(lane)].fetch_sub(1);
    });
}

TEST_F(ParallelFor, OtherThreadsHelp) {
  const ThreadScope scope(2);
  // Each of two chunks waits for the other, which only ends if two threads run them. The pool may be alone for a while
  // after a helper was late, so several tries are allowed.
  for (int attempt = 0; attempt < 1000; ++attempt) {
    std::atomic<int> arrived{0};
    std::atomic<bool> met{false};
    parallel_for(2, 1, [&](int64_t begin, int64_t end) {
      if (end - begin == 2) return;  // alone
      arrived += 1;
      for (int i = 0; i < 1000 && arrived < 2; ++i) std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (arrived == 2) met = true;
    });
    if (met) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  FAIL() << "no loop was ever shared";
}

TEST_F(ParallelFor, LoopsInsideLoopsRunAlone) {
  const ThreadScope scope(4);
  parallel_for(16, 1, [&](int64_t, int64_t) {
    EXPECT_EQ(current_threads(), 1);
    const ThreadScope inner(4);
    EXPECT_EQ(current_threads(), 1);
    const std::thread::id self = std::this_thread::get_id();
    parallel_for(16, 1, [&](int64_t, int64_t) { EXPECT_EQ(std::this_thread::get_id(), self); });
  });
  EXPECT_EQ(current_threads(), 4);
}

TEST_F(ParallelFor, ExceptionsArriveAndThePoolGoesOn) {
  const ThreadScope scope(4);
  for (int64_t bad = 0; bad < 64; ++bad) {
    const auto run = [&] {
      parallel_for(64, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          if (i == bad) throw std::runtime_error("item " + std::to_string(i));
      });
    };
    try {
      run();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "item " + std::to_string(bad));
    }
    EXPECT_EQ(current_threads(), 4);
  }
  EXPECT_THAT(visits(1000, 1), testing::Each(1));
}

TEST_F(ParallelFor, SeveralThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        const ThreadScope scope(3);
        std::atomic<int64_t> sum{0};
        parallel_for(1000, 7, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) sum += i;
        });
        if (sum != 999 * 1000 / 2) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Threads, ScopesNestAndBelongToTheirThread) {
  const ThreadScope outer(3);
  {
    const ThreadScope inner(1);
    EXPECT_EQ(current_threads(), 1);
  }
  EXPECT_EQ(current_threads(), 3);
  std::thread([] { EXPECT_EQ(current_threads(), hardware_threads()); }).join();
}

TEST(Threads, AffinityIsHonoured) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(hardware_threads(), 1);
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

/// Forks; true where the child runs loops and ends within a minute.
[[maybe_unused]] bool child_runs_loops() {
  return in_a_child([] {
    detail::assume_processors(4);
    const ThreadScope scope(2);
    bool good = true;
    for (int round = 0; round < 50; ++round)
      for (int count : visits(100, 1)) good = good && count == 1;
    return good;
  });
}

// ThreadSanitizer's own runtime starts no threads in the child of a process with several.
#ifndef __SANITIZE_THREAD__
TEST_F(ParallelFor, AForkedChildHasAPoolOfItsOwn) {
  const ThreadScope scope(4);
  EXPECT_THAT(visits(1000, 1), testing::Each(1));
  EXPECT_TRUE(child_runs_loops());
  EXPECT_THAT(visits(1000, 1), testing::Each(1));
}

TEST_F(ParallelFor, AForkWhileOtherThreadsRunLoops) {
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    const ThreadScope scope(3);
    while (!stop) visits(200, 1);
  });
  for (int round = 0; round < 10; ++round) EXPECT_TRUE(child_runs_loops());
  stop = true;
  busy.join();
}
#endif

TEST_F(ParallelFor, SignalsStayWithTheProgramsThreads) {
  static pthread_t handled_by;
  static std::atomic<int> handled;
  handled = 0;
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {
    handled_by = pthread_self();
    handled = 1;
  };
  sigaction(SIGUSR1, &action, &before);
  const ThreadScope scope(4);
  visits(1000, 1);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &only, nullptr);
  ::kill(::getpid(), SIGUSR1);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(handled, 0) << "a worker took it";
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  for (int i = 0; i < 1000 && handled == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(handled, 1);
  EXPECT_TRUE(pthread_equal(handled_by, pthread_self()));
  sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace tercel::inline base

#include "engines/pipeline/simulated_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace tercel::inline engines {
namespace {

using testing::HasSubstr;

struct Ends {
  StageClock writer, reader;
  std::vector<int> got;
  bool dead = false;
  std::string waiting;
};

/// A writer that takes `write_clocks` for a word, a reader that takes `read_clocks`.
Ends pass_words(int depth, int written, int read, int write_clocks, int read_clocks) {
  StageMonitor monitor(2);
  SimulatedChannel<int> channel("words", depth, monitor);
  Ends ends;
  const auto stage = [&](StageClock& clock, int words, int clocks, auto&& each) {
    try {
      for (int i = 0; i < words; ++i) {
        for (int c = 0; c < clocks; ++c) clock.tick();
        each(i);
      }
    } catch (const StageMonitor::Deadlock&) {
      return;
    }
    monitor.leave();
  };
  std::thread writer([&] { stage(ends.writer, written, write_clocks, [&](int i) { channel.write(ends.writer, i); }); });
  std::thread reader(
      [&] { stage(ends.reader, read, read_clocks, [&](int) { ends.got.push_back(channel.read(ends.reader)); }); });
  writer.join();
  reader.join();
  ends.dead = monitor.dead();
  for (const std::string& one : monitor.waiting()) ends.waiting += one + ";";
  return ends;
}

TEST(SimulatedChannel, WordsArriveInOrder) {
  for (int depth : {1, 2, 7}) {
    const Ends ends = pass_words(depth, 1000, 1000, 1, 1);
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(ends.got[static_cast<size_t>(i)], i);
  }
}

TEST(SimulatedChannel, ClocksDoNotDependOnTheThreads) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    // The reader is the slower one: 1 clock for the first word to come, then 3 each.
    Ends ends = pass_words(4, 100, 100, 1, 3);
    EXPECT_EQ(ends.reader.now, 300);
    EXPECT_EQ(ends.reader.waited_for_words, 0);
    EXPECT_GT(ends.writer.waited_for_room, 150);
    // The writer is: each word is read one clock after it was written.
    ends = pass_words(4, 100, 100, 3, 1);
    EXPECT_EQ(ends.writer.now, 300);
    EXPECT_EQ(ends.writer.waited_for_room, 0);
    EXPECT_EQ(ends.reader.now, 301);
  }
}

TEST(SimulatedChannel, OneDeepHalvesTheRate) {  // a place is free the clock after it was read
  EXPECT_EQ(pass_words(1, 100, 100, 1, 1).writer.now, 199);
  EXPECT_EQ(pass_words(2, 100, 100, 1, 1).writer.now, 100);
}

TEST(SimulatedChannel, NamesWhoWaitsForEver) {
  const Ends reader = pass_words(4, 10, 11, 1, 1);
  EXPECT_TRUE(reader.dead);
  EXPECT_THAT(reader.waiting, HasSubstr("to read from 'words'"));
  const Ends writer = pass_words(4, 20, 10, 1, 1);
  EXPECT_TRUE(writer.dead);
  EXPECT_THAT(writer.waiting, HasSubstr("to write to 'words', whose depth is 4"));
}

}  // namespace
}  // namespace tercel::inline engines

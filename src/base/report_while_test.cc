#include "base/report_while.h"

#include <gmock/gmock.h>

#include <latch>

namespace tercel::inline base {
namespace {

TEST(ReportWhile, TellsTheStageUntilTheWorkIsDone) {
  std::latch told(2);
  int calls = 0;
  double last = 0;
  report_while(
      [&](std::string_view stage, double done) {
        EXPECT_EQ(stage, "compile");
        last = done;
        if (++calls <= 2) told.count_down();
        return true;
      },
      "compile", [&] { told.wait(); });
  EXPECT_GE(calls, 3);
  EXPECT_EQ(last, 1);
}

TEST(ReportWhile, StopsAfterTheWork) {
  std::latch told(1);
  bool done = false;
  const auto stop = [&](std::string_view, double) {
    if (!told.try_wait()) told.count_down();
    return false;
  };
  const auto work = [&] {
    told.wait();
    done = true;
  };
  EXPECT_THROW(report_while(stop, "compile", work), Error);
  EXPECT_TRUE(done);
}

TEST(ReportWhile, ThrowsWhatTheWorkThrows) {
  const auto goes_on = [](std::string_view, double) { return true; };
  const auto work = [] { fail_input("no such kernel"); };
  EXPECT_THROW(report_while(goes_on, "compile", work), Error);
  EXPECT_THROW(report_while(nullptr, "compile", work), Error);
}

}  // namespace
}  // namespace tercel::inline base

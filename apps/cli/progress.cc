#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

namespace tercel::cli {
namespace {

volatile std::sig_atomic_t is_listening = 0, was_interrupted = 0;

void on_interrupt(int) {
  if (is_listening != 0 && was_interrupted == 0) {
    was_interrupted = 1;
    return;
  }
  // Only what a signal handler may call. Files are written whole or not at all, so there is nothing to clean up.
  constexpr char kText[] = "\ninterrupted: no partial file was left\n";
  if (::write(STDERR_FILENO, kText, sizeof kText - 1) < 0) ::_exit(130);
  ::_exit(130);
}

constexpr double kQuietSeconds = 2;
bool line_is_there = false;

struct Shown {
  std::string stage;
  std::chrono::steady_clock::time_point begin, start, last;  ///< of the work, of its stage, of what was printed
};

std::string time_text(double seconds) {
  const long s = std::lround(seconds);
  return s < 60 ? fmt::format("{} s", s) : fmt::format("{} min {:02} s", s / 60, s % 60);
}

}  // namespace

void install_interrupt() {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;  // what reads or writes meanwhile goes on
  ::sigaction(SIGINT, &action, nullptr);
  ::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error in words, as a full disk is
}

void listen_for_interrupt() { is_listening = 1; }

bool interrupted() { return was_interrupted != 0; }

Progress show_progress() {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  auto shown = std::make_shared<Shown>();
  return [terminal, shown](std::string_view stage, double done) {
    const auto now = std::chrono::steady_clock::now();
    if (shown->stage.empty()) *shown = {"", now, now, now};
    if (shown->stage != stage) shown->stage = stage, shown->start = now;
    const auto seconds = [](auto duration) { return std::chrono::duration<double>(duration).count(); };
    if (terminal && seconds(now - shown->begin) > kQuietSeconds && seconds(now - shown->last) > 0.2) {
      shown->last = now;
      const double passed = seconds(now - shown->start);
      if (done < 0) fmt::print(stderr, "\r\033[K{}: {} so far", stage, time_text(passed));
      else fmt::print(stderr, "\r\033[K{}: {:.0f} %", stage, 100 * done);
      // Early in a stage the estimate is unreliable.
      if (passed > kQuietSeconds && done > 0) fmt::print(stderr, ", {} left", time_text(passed / done * (1 - done)));
      std::fflush(stderr);
      line_is_there = true;
    }
    return !interrupted();
  };
}

Warn show_warnings() {
  return [](std::string_view what) {
    end_progress();
    fmt::print(stderr, "warning: {}\n", what);
  };
}

void end_progress() {
  if (line_is_there) fmt::print(stderr, "\r\033[K");
  line_is_there = false;
}

}  // namespace tercel::cli

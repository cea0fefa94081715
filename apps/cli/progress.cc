#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

namespace tercel::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int signal) {
  interrupted = 1;
  std::signal(signal, SIG_DFL);
}

constexpr double kQuietSeconds = 2;
bool line_is_there = false;

struct Shown {
  std::string stage;
  std::chrono::steady_clock::time_point start, last;
};

std::string time_text(double seconds) {
  const int s = static_cast<int>(seconds + 0.5);
  return s < 60 ? fmt::format("{} s", s) : fmt::format("{} min {:02} s", s / 60, s % 60);
}

}  // namespace

void listen_for_interrupt() { std::signal(SIGINT, on_interrupt); }

Progress show_progress() {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  auto shown = std::make_shared<Shown>();
  return [terminal, shown](std::string_view stage, double done) {
    const auto now = std::chrono::steady_clock::now();
    if (shown->stage != stage) *shown = {std::string(stage), now, now};
    const auto seconds = [](auto duration) { return std::chrono::duration<double>(duration).count(); };
    const double passed = seconds(now - shown->start);
    if (terminal && passed > kQuietSeconds && seconds(now - shown->last) > 0.2) {
      shown->last = now;
      const double left = done > 0 ? passed / done * (1 - done) : 0;
      fmt::print(stderr, "\r\033[K{}: {:.0f} %, {} left", stage, 100 * done, time_text(left));
      std::fflush(stderr);
      line_is_there = true;
    }
    return interrupted == 0;
  };
}

void end_progress() {
  if (line_is_there) fmt::print(stderr, "\r\033[K");
  line_is_there = false;
}

}  // namespace tercel::cli

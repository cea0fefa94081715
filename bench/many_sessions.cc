// many_sessions MODEL [SECONDS]: runs per second of one session, and of eight sessions in eight threads, each asked for
// all processors. They must share them without getting into each other's way.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tercel/tercel.h"

namespace {

using Clock = std::chrono::steady_clock;

double runs_per_second(const tercel::Model& model, const tercel::Array& input, int threads, double seconds) {
  std::vector<std::thread> all;
  std::atomic<int> ready{0}, runs{0};
  std::atomic<bool> stop{false};
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&] {
      tercel::Session session(model);
      session.run({input});
      ++ready;
      while (ready < threads) std::this_thread::yield();
      while (!stop) {
        session.run({input});
        ++runs;
      }
    });
  while (ready < threads) std::this_thread::yield();
  const auto start = Clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : all) thread.join();
  return runs / std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  try {
    const tercel::Model model = tercel::load(argv[1]);
    std::vector<int64_t> dims = model.inputs().at(0).dims;
    for (int64_t& extent : dims) extent = extent < 0 ? 1 : extent;
    tercel::Array input(model.inputs()[0].dtype, dims);
    for (int turn = 0; turn < 5; ++turn) {
      const double one = runs_per_second(model, input, 1, seconds), eight = runs_per_second(model, input, 8, seconds);
      fmt::print("one session {:8.1f} runs/s, eight {:8.1f}: {:.3f}\n", one, eight, eight / one);
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

// Small parallel loops one after the other, as a network has them: this project's pool beside oneTBB and OpenMP.
//
//   loop_bench [LOOPS [MICROSECONDS]]
//
// Each loop holds MICROSECONDS (100) of work for one thread, in eight chunks; printed are the median, the 90 % quantile
// and the longest time of 100 loops in a row, in microseconds per loop. Run it alone and beside busy programs.
// docs/decisions/0006-thread-pool.md has figures.
#include <fmt/format.h>
#include <omp.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/threads.h"

namespace {

constexpr int64_t kChunks = 8;
int64_t steps_per_chunk = 0;
volatile double sink[kChunks];  // volatile: or nothing would be computed

void work(int64_t chunk) {
  double x = static_cast<double>(chunk);
  for (int64_t i = 0; i < steps_per_chunk; ++i) x = x * 1.0000001 + 1e-9;
  sink[chunk] = x;
}

void on_one_thread() {
  for (int64_t i = 0; i < kChunks; ++i) work(i);
}
void on_the_pool() {
  tercel::parallel_for(kChunks, 1, [](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work(i);
  });
}
void on_tbb() {
  tbb::parallel_for(tbb::blocked_range<int64_t>(0, kChunks, 1), [](const tbb::blocked_range<int64_t>& range) {
    for (int64_t i = range.begin(); i < range.end(); ++i) work(i);
  });
}
void on_openmp() {
#pragma omp parallel for schedule(static) num_threads(2)
  for (int64_t i = 0; i < kChunks; ++i) work(i);
}
void on_openmp_dynamic() {
#pragma omp parallel for schedule(dynamic, 1) num_threads(2)
  for (int64_t i = 0; i < kChunks; ++i) work(i);
}

}  // namespace

int main(int argc, char** argv) {
  const int loops = argc > 1 ? std::atoi(argv[1]) : 200;
  const double wanted = argc > 2 ? std::atof(argv[2]) : 100;
  const tercel::ThreadScope scope(2);
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism, 2);
  steps_per_chunk = 1000000;
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const tercel::Stopwatch watch;
    on_one_thread();
    best = std::min(best, watch.ms());
  }
  steps_per_chunk = static_cast<int64_t>(1e6 * wanted / (1e3 * best)) + 1;

  struct Contestant {
    const char* name;
    std::function<void()> run;
    std::vector<double> times;
  };
  std::vector<Contestant> contestants{{"one thread", on_one_thread, {}},
                                      {"pool", on_the_pool, {}},
                                      {"oneTBB", on_tbb, {}},
                                      {"OpenMP static", on_openmp, {}},
                                      {"OpenMP dynamic", on_openmp_dynamic, {}}};
  for (int turn = 0; turn < loops; ++turn)
    for (Contestant& c : contestants) {
      c.run();
      const tercel::Stopwatch watch;
      for (int i = 0; i < 100; ++i) c.run();
      c.times.push_back(10 * watch.ms());
    }
  for (Contestant& c : contestants) {
    std::sort(c.times.begin(), c.times.end());
    fmt::print("{:16} median {:8.1f}  90 % {:8.1f}  longest {:8.1f}\n", c.name, c.times[c.times.size() / 2],
               c.times[c.times.size() * 9 / 10], c.times.back());
  }
}

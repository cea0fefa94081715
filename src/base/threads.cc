#include "base/threads.h"

#include <sched.h>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace tercel {

int hardware_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

#ifdef _OPENMP
int current_threads() { return omp_in_parallel() ? 1 : omp_get_max_threads(); }
ThreadScope::ThreadScope(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
ThreadScope::~ThreadScope() { omp_set_num_threads(before_); }
#else
int current_threads() { return 1; }
ThreadScope::ThreadScope(int) : before_(1) {}
ThreadScope::~ThreadScope() = default;
#endif

}  // namespace tercel

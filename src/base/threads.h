// OpenMP, in the few words Tercel uses of it.
#pragma once

#include <cstdint>

namespace tercel {

/// Processors this process may use (honours CPU affinity).
int hardware_threads();

/// For the life of this object, parallel regions started by the current thread (ours and oneDNN's) use `threads`
/// threads. The setting belongs to the calling thread, so sessions in different threads do not disturb each other.
class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

/// Threads a parallel region started here would get.
int current_threads();

/// body(begin, end) over [0, count), split into one contiguous piece per thread; pieces hold at least `grain` items.
/// Runs in the calling thread when there is work for only one.
template <typename Body>
void parallel_for(int64_t count, int64_t grain, Body&& body) {
  if (count <= 0) return;
  if (grain < 1) grain = 1;
  const int64_t most = count / grain;
  int64_t pieces = current_threads();
  if (pieces > most) pieces = most;
  if (pieces <= 1) {
    body(int64_t{0}, count);
    return;
  }
#ifdef _OPENMP
#pragma omp parallel for num_threads(static_cast <int>(pieces)) schedule(static, 1)
#endif
  for (int64_t piece = 0; piece < pieces; ++piece) body(count * piece / pieces, count * (piece + 1) / pieces);
}

}  // namespace tercel

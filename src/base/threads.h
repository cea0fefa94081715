// One pool of threads for the whole process, and parallel loops on it (docs/decisions/0006-thread-pool.md).
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace tercel::inline base {

/// Processors this process may use: its CPU affinity, and no more than its container's CPU quota (base/cpu_limit.h).
int hardware_threads();

/// For the life of this object, parallel loops started by the current thread use at most `threads` threads. The
/// setting belongs to the calling thread, so sessions in different threads do not disturb each other. While several
/// threads hold a scope they share the processors: a loop gets helpers only for processors that nobody else computes
/// on.
class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

/// Threads that a parallel loop started here may use; 1 inside such a loop.
int current_threads();

namespace detail {

/// A loop body without its type: called with a range of items and the number of the thread's lane.
struct LoopBody {
  const void* context;
  void (*call)(const void* context, int64_t begin, int64_t end, int lane);
};

/// `lanes` threads at most, chunks of at least `grain` items.
void run_loop(int64_t count, int64_t grain, int lanes, const LoopBody& body);

/// For tests: as if this process had so many processors, all of them free; 0 ends that.
void assume_processors(int processors);

}  // namespace detail

/// body(begin, end), or body(begin, end, lane), over [0, count), in chunks of at least `grain` items (but for the
/// last) that are claimed by whichever thread is free; the calling thread works too, and alone where there is work for
/// only one or the machine is busy. Chunks overlap nowhere and their bounds are no promise: results must not depend on
/// them. Chunks with the same `lane`, a number below current_threads(), never run at the same time: for scratch
/// memory. The first exception that a body throws is thrown here, after all threads have left the loop; chunks not yet
/// begun are then left out.
template <typename Body>
void parallel_for(int64_t count, int64_t grain, Body&& body) {
  if (count <= 0) return;
  if (grain < 1) grain = 1;
  using Plain = std::remove_reference_t<Body>;
  const auto call = [](const void* context, int64_t begin, int64_t end, [[maybe_unused]] int lane) {
    auto& function = *const_cast<Plain*>(static_cast<const Plain*>(context));
    if constexpr (std::is_invocable_v<Plain&, int64_t, int64_t, int>) function(begin, end, lane);
    else function(begin, end);
  };
  const int lanes = count / grain < 2 ? 1 : current_threads();
  if (lanes == 1) call(std::addressof(body), 0, count, 0);
  else detail::run_loop(count, grain, lanes, {std::addressof(body), call});
}

}  // namespace tercel::inline base

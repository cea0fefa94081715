#include "base/threads.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/bits.h"
#include "base/cpu_limit.h"

namespace tercel::inline base {
namespace {

constexpr int kMaxLanes = 64;
constexpr size_t kCacheLine = 64;
constexpr int64_t kChunksPerLane = 4;  // what a late thread leaves to the others, against the cost of claiming

using Nanoseconds = int64_t;
constexpr Nanoseconds kMicrosecond = 1000, kMillisecond = 1000 * kMicrosecond;

/// A thread without work looks for some this long before it sleeps: longer than what lies between two layers of a
/// network, shorter than what another program would miss.
constexpr Nanoseconds kWorkerSpin = 100 * kMicrosecond;
constexpr Nanoseconds kCallerSpin = 50 * kMicrosecond;

/// A helper that is this late with its last chunk, beyond the time of two chunks, has been taken off its processor.
constexpr Nanoseconds kLate = 300 * kMicrosecond;
/// Then loops run alone for a while, twice as long each time, until the machine has a free processor again.
constexpr Nanoseconds kShortestAlone = 4 * kMillisecond, kLongestAlone = 64 * kMillisecond;
/// Without a helper even asked after this long, the machine's own word that it is busy is put to the test.
constexpr Nanoseconds kLongestUntried = 2000 * kMillisecond;

Nanoseconds now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// Looks until done() or for `time`; says whether it is done.
template <typename Done>
bool spin(Nanoseconds time, Done&& done) {
  constexpr int kLooksPerClock = 16;
  const Nanoseconds end = now() + time;
  do {
    for (int i = 0; i < kLooksPerClock; ++i) {
      if (done()) return true;
      relax();
    }
  } while (now() < end);
  return done();
}

/// Does the whole machine have a processor that nothing runs on? (The fourth word of /proc/loadavg is
/// "runnable/all"; this thread is runnable.) Yes where it does not tell.
bool a_processor_is_idle() {
  char text[128];  // no stream: a run of a network allocates nothing
  const int file = ::open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
  if (file < 0) return true;
  const ssize_t bytes = ::read(file, text, sizeof(text) - 1);
  ::close(file);
  text[std::max<ssize_t>(bytes, 0)] = '\0';
  int runnable = 0;
  if (std::sscanf(text, "%*s %*s %*s %d/", &runnable) != 1) return true;
  return runnable < static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
}

thread_local bool in_loop = false;

/// One parallel loop, on the stack of the thread that started it. Each lane begins with a share of its own, so that
/// the threads meet the same part of memory in loop after loop; who has none left takes from the others.
class Loop {
 public:
  Loop(int64_t count, int64_t chunk, int lanes, const detail::LoopBody& body)
      : body_(body), count_(count), chunk_(chunk), lanes_(lanes) {
    const int64_t chunks = div_up(count, chunk);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      Share& share = shares_[static_cast<size_t>(lane)];
      share.next.store(chunks * lane / lanes * chunk, std::memory_order_relaxed);
      share.end = std::min(count, chunks * (lane + 1) / lanes * chunk);
    }
  }

  /// Works until no chunk is unclaimed; returns how many this thread did.
  int64_t work(int lane) noexcept {
    int64_t done = 0;
    in_loop = true;
    for (int i = 0; i < lanes_; ++i) {
      Share& share = shares_[static_cast<size_t>((lane + i) % lanes_)];
      for (;;) {
        const int64_t begin = share.next.fetch_add(chunk_, std::memory_order_relaxed);
        if (begin >= share.end) break;
        if (failed_.load(std::memory_order_relaxed)) continue;
        try {
          body_.call(body_.context, begin, std::min(begin + chunk_, count_), lane);
        } catch (...) {
          if (!failed_.exchange(true)) error_ = std::current_exception();
        }
        ++done;
      }
    }
    in_loop = false;
    return done;
  }

  /// After all threads have left.
  void rethrow() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  struct alignas(kCacheLine) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  const detail::LoopBody& body_;
  const int64_t count_, chunk_;
  const int lanes_;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  std::array<Share, kMaxLanes> shares_;
};

/// A thread of the pool. It is offered a loop by whoever finds it idle; an offer that it has not taken yet can be
/// withdrawn.
class Worker {
 public:
  Worker() {
    // Signals belong to the threads of the program.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      std::thread([this] { serve(); }).detach();
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  /// A number to wait for, or 0 where this worker has something to do already.
  uint64_t offer(Loop& loop, int lane) {
    State expected = State::idle;
    if (!state_.compare_exchange_strong(expected, State::being_offered)) return 0;
    const uint64_t ticket = ++ticket_;
    loop_ = &loop;
    lane_ = lane;
    state_.store(State::offered);
    if (asleep_.load() && asleep_.exchange(false)) {
      const std::lock_guard lock(mutex_);
      send_elsewhere();
      wake_.notify_one();
    }
    return ticket;
  }

  /// False where the worker has taken the offer already: then wait_for it.
  bool withdraw() {
    State expected = State::offered;
    return state_.compare_exchange_strong(expected, State::idle);
  }

  bool has_finished(uint64_t ticket) const { return finished_.load(std::memory_order_acquire) >= ticket; }

  void wait_for(uint64_t ticket) {
    if (spin(kCallerSpin, [&] { return has_finished(ticket); })) return;
    // Asleep, so that the worker can have this processor if it has lost its own.
    std::unique_lock lock(mutex_);
    waiting_.fetch_add(1);
    done_.wait(lock, [&] { return finished_.load() >= ticket; });
    waiting_.fetch_sub(1);
  }

 private:
  enum class State : uint32_t { idle, being_offered, offered, working };

  void serve() {
    pthread_setname_np(pthread_self(), "tercel");
    thread_ = ::gettid();
    for (;;) {
      const auto take = [&] {
        State expected = State::offered;
        return state_.load() == State::offered && state_.compare_exchange_strong(expected, State::working);
      };
      // Woken too late for the offer, which was withdrawn meanwhile, it looks for the next one, not for its bed.
      while (!spin(kWorkerSpin, take)) {
        std::unique_lock lock(mutex_);
        asleep_.store(true);
        if (state_.load() != State::offered) wake_.wait(lock);
        asleep_.store(false);
        if (std::exchange(sent_, false)) ::sched_setaffinity(0, sizeof(allowed_), &allowed_);
      }
      const uint64_t ticket = ticket_;
      loop_->work(lane_);
      // Idle first: whoever waits for this loop may offer the next one at once.
      state_.store(State::idle);
      finished_.store(ticket);
      if (waiting_.load() > 0) {
        const std::lock_guard lock(mutex_);
        done_.notify_all();
      }
    }
  }

  /// Linux may wake a thread on the processor of who wakes it, although another is idle, and leave it in line there
  /// for milliseconds, which is all that a small network takes. So, until it is awake, that one is forbidden to it.
  void send_elsewhere() {
    const int here = ::sched_getcpu();
    if (here < 0 || ::sched_getaffinity(thread_, sizeof(allowed_), &allowed_) != 0) return;
    cpu_set_t others = allowed_;
    CPU_CLR(static_cast<size_t>(here), &others);
    if (CPU_COUNT(&others) > 0) sent_ = ::sched_setaffinity(thread_, sizeof(others), &others) == 0;
  }

  std::atomic<State> state_{State::idle};
  // Written between being_offered and offered.
  uint64_t ticket_ = 0;
  Loop* loop_ = nullptr;
  int lane_ = 0;
  std::atomic<uint64_t> finished_{0};  // the last ticket
  std::atomic<bool> asleep_{false};
  std::atomic<int> waiting_{0};
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  pid_t thread_ = 0;
  // Under mutex_, while asleep.
  bool sent_ = false;
  cpu_set_t allowed_{};
};

/// Never destroyed: its threads end with the process. A forked child, which has none of them, makes itself a new one.
class Pool {
 public:
  static Pool& get() {
    Pool* pool = current_.load(std::memory_order_acquire);
    if (pool != nullptr) return *pool;
    auto* made = new Pool;
    if (current_.compare_exchange_strong(pool, made)) return *made;
    delete made;  // another thread was faster; no worker has been started
    return *pool;
  }

  /// In a forked child, before anything else: the parent's pool has no threads here.
  static void forget() { current_.store(nullptr); }

  void enter() { callers_.fetch_add(1, std::memory_order_relaxed); }
  void leave() { callers_.fetch_sub(1, std::memory_order_relaxed); }

  void run(int64_t count, int64_t grain, int lanes, const detail::LoopBody& body) {
    const Nanoseconds start = now();
    const int helpers = std::min({lanes, kMaxLanes, free_processors(start) + 1}) - 1;
    if (helpers <= 0 || !company_is_welcome(start)) return alone(count, body);

    const int64_t chunk = grain * div_up(count, grain * lanes * kChunksPerLane);
    Loop loop(count, chunk, static_cast<int>(std::min<int64_t>(helpers + 1, div_up(count, chunk))), body);
    struct Asked {
      Worker* worker;
      uint64_t ticket;
    };
    std::array<Asked, kMaxLanes> asked;
    int offers = 0;
    start_workers(helpers);
    const int workers = started_.load(std::memory_order_acquire);
    for (int i = 0; i < workers && offers < helpers; ++i)
      if (const uint64_t ticket = workers_[static_cast<size_t>(i)]->offer(loop, offers + 1))
        asked[static_cast<size_t>(offers++)] = {workers_[static_cast<size_t>(i)], ticket};
    busy_.fetch_add(offers, std::memory_order_relaxed);

    const int64_t done = loop.work(0);
    Nanoseconds finished = 0, late = 0;
    for (int i = 0; i < offers; ++i) {
      const auto& [worker, ticket] = asked[static_cast<size_t>(i)];
      if (worker->has_finished(ticket) || worker->withdraw()) continue;
      if (finished == 0) finished = now();
      worker->wait_for(ticket);
      late = now() - finished;
    }
    busy_.fetch_sub(offers, std::memory_order_relaxed);
    if (late > kLate && late > 2 * (finished - start) / std::max<int64_t>(done, 1)) {
      last_late_.store(finished + late, std::memory_order_relaxed);
      be_alone(finished + late);
    }
    loop.rethrow();
  }

  /// As hardware_threads(), with the affinity of a second ago at most and the quota of the beginning.
  int processors(Nanoseconds time) {
    constexpr Nanoseconds kLookAgain = 1000 * kMillisecond;
    if (time - looked_.load(std::memory_order_relaxed) > kLookAgain) {
      looked_.store(time, std::memory_order_relaxed);
      processors_.store(processors_within(affinity_processors(), quota_), std::memory_order_relaxed);
    }
    return processors_.load(std::memory_order_relaxed);
  }

  /// 0: what the machine says.
  void assume_processors(int processors) { assumed_.store(processors); }

 private:
  static void alone(int64_t count, const detail::LoopBody& body) {
    struct Inside {
      Inside() { in_loop = true; }
      ~Inside() { in_loop = false; }
    } inside;
    body.call(body.context, 0, count, 0);
  }

  /// Processors that no session and no helper computes on.
  int free_processors(Nanoseconds time) {
    if (const int assumed = assumed_.load(std::memory_order_relaxed)) return assumed - 1;
    const int callers = std::max(1, callers_.load(std::memory_order_relaxed));
    return processors(time) - callers - busy_.load(std::memory_order_relaxed);
  }

  /// Starting threads may fail (a limit of the system): then fewer help.
  void start_workers(int wanted) {
    if (started_.load(std::memory_order_acquire) >= wanted || starting_.test_and_set(std::memory_order_acquire)) return;
    try {
      for (int i = started_.load(); i < wanted; ++i) {
        workers_[static_cast<size_t>(i)] = new Worker;
        started_.store(i + 1, std::memory_order_release);
      }
    } catch (const std::exception&) {
    }
    starting_.clear(std::memory_order_release);
  }

  /// Are helpers worth asking now? Not for a while after one was taken off its processor: a loop must not wait, again
  /// and again, for threads that stand in line behind other programs.
  bool company_is_welcome(Nanoseconds time) {
    const Nanoseconds alone_for = alone_for_.load(std::memory_order_relaxed);
    if (alone_for == 0 || assumed_.load(std::memory_order_relaxed) != 0) return true;
    if (time < alone_until_.load(std::memory_order_relaxed)) return false;
    const Nanoseconds trial_until = trial_until_.load(std::memory_order_relaxed);
    if (time < trial_until) return true;
    if (trial_until > alone_until_.load(std::memory_order_relaxed)) {  // helpers came in time
      alone_for_.store(alone_for > kShortestAlone ? alone_for / 2 : 0, std::memory_order_relaxed);
    } else if (time - last_late_.load(std::memory_order_relaxed) < kLongestUntried && !a_processor_is_idle()) {
      be_alone(time);
      return false;
    }
    trial_until_.store(time + alone_for, std::memory_order_relaxed);
    return true;
  }

  void be_alone(Nanoseconds time) {
    const Nanoseconds next = std::clamp(2 * alone_for_.load(std::memory_order_relaxed), kShortestAlone, kLongestAlone);
    alone_for_.store(next, std::memory_order_relaxed);
    alone_until_.store(time + next, std::memory_order_relaxed);
  }

  static inline std::atomic<Pool*> current_{nullptr};

  const std::optional<double> quota_ = cpu_quota();
  std::atomic<int> callers_{0}, busy_{0}, processors_{1}, assumed_{0};
  std::atomic<Nanoseconds> looked_{-1000000 * kMillisecond};
  std::atomic<Nanoseconds> alone_for_{0}, alone_until_{0}, trial_until_{0}, last_late_{0};
  std::array<Worker*, kMaxLanes> workers_{};
  std::atomic<int> started_{0};
  std::atomic_flag starting_ = ATOMIC_FLAG_INIT;
};

// Before main(), not at first use: a child may be forked while another thread is there for the first time.
const int fork_handler = pthread_atfork(nullptr, nullptr, [] {
  Pool::forget();
  in_loop = false;
});

/// What the thread's ThreadScopes say.
struct Setting {
  int threads = 0;  // 0: no scope
  Pool* entered = nullptr;
};
thread_local Setting setting;

}  // namespace

int hardware_threads() { return processors_within(affinity_processors(), cpu_quota()); }

int current_threads() {
  if (in_loop) return 1;
  return setting.threads > 0 ? setting.threads : Pool::get().processors(now());
}

ThreadScope::ThreadScope(int threads) : before_(setting.threads) {
  setting.threads = std::max(threads, 1);
  if (before_ == 0 && !in_loop) {
    setting.entered = &Pool::get();
    setting.entered->enter();
  }
}

ThreadScope::~ThreadScope() {
  setting.threads = before_;
  if (before_ == 0 && setting.entered != nullptr) {
    setting.entered->leave();
    setting.entered = nullptr;
  }
}

namespace detail {

void run_loop(int64_t count, int64_t grain, int lanes, const LoopBody& body) {
  Pool::get().run(count, grain, lanes, body);
}

void assume_processors(int processors) { Pool::get().assume_processors(processors); }

}  // namespace detail
}  // namespace tercel::inline base

// Channels of bounded depth between stages that are threads, with a clock: what a pipeline in hardware would do,
// whatever the order in which the threads happen to run.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace tercel::inline engines {

/// Clocks since the layer began, as one stage sees them. One word a clock at most.
struct StageClock {
  int64_t now = 0;
  int64_t waited_for_words = 0;  ///< clocks in which there was none to read
  int64_t waited_for_room = 0;   ///< clocks in which a channel was full
  void tick() { ++now; }
};

/// Knows which stages wait. When all that are left do, nothing will ever move again.
class StageMonitor {
 public:
  struct Deadlock {};

  explicit StageMonitor(int stages) : running_(stages) {}

  /// Until `ready()`; `waits` is set while somebody must call release(). Throws Deadlock.
  template <typename Ready>
  void wait(std::atomic<bool>& waits, Ready&& ready, const std::string& what) {
    std::unique_lock lock(mutex_);
    while (true) {
      waits.store(true);
      if (ready()) {  // between the caller's look and the lock
        waits.store(false);
        return;
      }
      waiting_.push_back(what);
      if (--running_ == 0) {
        die();
        throw Deadlock{};
      }
      changed_.wait(lock, [&] { return dead_ || !waits.load(); });
      if (dead_) throw Deadlock{};
      waiting_.erase(std::find(waiting_.begin(), waiting_.end(), what));
      if (ready()) return;  // else the call was meant for an earlier wait
    }
  }

  void release(std::atomic<bool>& waits) {
    if (!waits.load()) return;
    const std::lock_guard lock(mutex_);
    if (!waits.exchange(false)) return;
    ++running_;  // on behalf of the stage that wakes up
    changed_.notify_all();
  }

  /// A stage has come to its end.
  void leave() {
    std::unique_lock lock(mutex_);
    --running_;
    if (running_ == 0 && !waiting_.empty()) die();
  }

  bool dead() const { return dead_; }
  /// What every stage waited for when nothing moved any more.
  const std::vector<std::string>& waiting() const { return waiting_; }

 private:
  void die() {
    dead_ = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int running_;
  bool dead_ = false;
  std::vector<std::string> waiting_;
};

/// One stage writes, one reads. A word can be read a clock after it was written; a place can be written a clock after
/// it was read.
template <typename Word>
class SimulatedChannel {
 public:
  SimulatedChannel(std::string name, int depth, StageMonitor& monitor)
      : name_(std::move(name)), depth_(depth), monitor_(monitor), places_(static_cast<size_t>(std::max(depth, 1))) {}

  void write(StageClock& clock, const Word& word) {
    const int64_t i = write_at_;
    if (i - read_.load() >= depth_)
      monitor_.wait(
          writer_waits_, [&] { return i - read_.load() < depth_; },
          "to write to '" + name_ + "', whose depth is " + std::to_string(depth_));
    Place& place = places_[static_cast<size_t>(i % depth_)];
    if (i >= depth_) advance(clock, place.read_at + 1, clock.waited_for_room);
    place.word = word;
    place.written_at = clock.now;
    write_at_ = i + 1;
    written_.store(i + 1);
    monitor_.release(reader_waits_);
  }

  Word read(StageClock& clock) {
    const int64_t i = read_at_;
    if (written_.load() <= i)
      monitor_.wait(
          reader_waits_, [&] { return written_.load() > i; }, "to read from '" + name_ + "'");
    Place& place = places_[static_cast<size_t>(i % depth_)];
    advance(clock, place.written_at + 1, clock.waited_for_words);
    const Word word = place.word;
    place.read_at = clock.now;
    read_at_ = i + 1;
    read_.store(i + 1);
    monitor_.release(writer_waits_);
    return word;
  }

  int64_t words() const { return written_.load(); }
  bool empty() const { return written_.load() == read_.load(); }

 private:
  struct Place {
    Word word;
    int64_t written_at = 0, read_at = 0;
  };

  static void advance(StageClock& clock, int64_t to, int64_t& waited) {
    if (to <= clock.now) return;
    waited += to - clock.now;
    clock.now = to;
  }

  std::string name_;
  int depth_;
  StageMonitor& monitor_;
  std::vector<Place> places_;
  int64_t write_at_ = 0, read_at_ = 0;
  std::atomic<int64_t> written_{0}, read_{0};
  std::atomic<bool> reader_waits_{false}, writer_waits_{false};
};

}  // namespace tercel::inline engines

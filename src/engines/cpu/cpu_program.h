// Performs a Plan on this machine's processor.
#pragma once

#include <functional>
#include <span>

#include "plan/plan.h"
#include "tensor/buffer.h"

namespace tercel {

/// Owns the memory a plan runs in. Not for two threads at once.
class Executor {
 public:
  /// Allocates arena and scratch; nothing is allocated afterwards.
  explicit Executor(Plan plan, int threads);

  const Plan& plan() const { return plan_; }

  /// `inputs`: elements of every plan input, aligned for their type. `after_step`, where given, is called with the
  /// index of each step as it ends (profiling, watching values).
  void run(std::span<const std::byte* const> inputs, const std::function<void(size_t)>* after_step = nullptr);

  /// Elements of output i; valid until the next run.
  const std::byte* output(size_t i) const;

  /// Elements of result i of a step, right after that step ran.
  const std::byte* result(size_t step, size_t i) const { return args_[step].dst[i]; }

 private:
  std::byte* address(const Place& place) const;

  Plan plan_;
  int threads_;
  Buffer arena_;
  Buffer scratch_;
  std::vector<const std::byte*> inputs_;
  struct StepArgs {
    std::vector<const std::byte*> src;
    std::vector<std::byte*> dst;
  };
  std::vector<StepArgs> args_;
};

}  // namespace tercel

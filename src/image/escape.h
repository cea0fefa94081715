// The way out of a C library that reports errors by calling back and must not return from that call. Exceptions may not
// travel through C frames, so longjmp carries us to a C++ frame that may throw.
#pragma once

#include <csetjmp>
#include <cstddef>

namespace tercel::inline image {

class Escape {
 public:
  /// Runs `body`; false where leave() was called inside it, reason() then says why. Nothing between the two may own
  /// anything: destructors do not run.
  template <typename Body>
  [[gnu::noinline]] bool run(const Body& body) {
    if (setjmp(place_) != 0) return false;
    body();
    return true;
  }

  /// Only inside run().
  [[noreturn]] void leave(const char* reason) {
    size_t i = 0;
    for (; i + 1 < sizeof(reason_) && reason[i] != 0; ++i) reason_[i] = reason[i];
    reason_[i] = 0;
    std::longjmp(place_, 1);
  }

  const char* reason() const { return reason_; }

 private:
  std::jmp_buf place_;
  char reason_[256] = "";
};

}  // namespace tercel::inline image

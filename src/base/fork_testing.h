// For tests: work in a forked child.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tercel::inline base {

/// Runs `body` in a forked child; false where that does not end within two minutes with everything as wanted.
template <typename Body>
[[maybe_unused]] bool in_a_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  for (int i = 0; i < 12000; ++i) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    ::usleep(10000);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return false;
}

}  // namespace tercel::inline base

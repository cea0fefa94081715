// TERCEL_CHECK guards what only a mistake of ours can break; a user's bad input is an Error (base/error.h).
#pragma once

#include <fmt/format.h>

#include <stdexcept>

namespace tercel::inline base {

/// A broken promise inside Tercel. Catching it is for top levels that report and give up.
class Bug : public std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] void raise_bug(const char* file, int line, const char* condition, const std::string& message);

}  // namespace tercel::inline base

#define TERCEL_CHECK(condition, ...)                                                    \
  do {                                                                                  \
    if (!(condition)) [[unlikely]]                                                      \
      ::tercel::raise_bug(__FILE__, __LINE__, #condition, fmt::format("" __VA_ARGS__)); \
  } while (false)

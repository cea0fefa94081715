// Throwing tercel::Error with a formatted message.
#pragma once

#include <fmt/format.h>

#include "tercel/error.h"

namespace tercel::inline base {

template <typename... A>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<A...> format, A&&... args) {
  throw Error(code, fmt::format(format, std::forward<A>(args)...));
}

template <typename... A>
[[noreturn]] void fail_input(fmt::format_string<A...> format, A&&... args) {
  throw Error(ErrorCode::bad_input, fmt::format(format, std::forward<A>(args)...));
}

template <typename... A>
[[noreturn]] void fail_unsupported(fmt::format_string<A...> format, A&&... args) {
  throw Error(ErrorCode::unsupported, fmt::format(format, std::forward<A>(args)...));
}

/// Runs `body` and adds `place()` to the trail of any Error that leaves it. `place` is only called on failure.
template <typename Place, typename Body>
decltype(auto) at_place(Place&& place, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw error.within(place());
  }
}

}  // namespace tercel::inline base

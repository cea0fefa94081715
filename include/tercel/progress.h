// How long work tells how far it is, and is told to stop.
#pragma once

#include <functional>
#include <string_view>

namespace tercel {

/// Called now and then with the work at hand ("measure sensitivities") and the part of it that is done, 0..1; below 0
/// where nobody can tell (a compiler of others at work).
/// The answer false asks to stop: a search then ends with the best it has found, other work throws Error(stopped).
using Progress = std::function<bool(std::string_view stage, double done)>;

/// Called with what went wrong and can be lived with ("skipped: pictures/a.jpg: JPEG: cut short").
using Warn = std::function<void(std::string_view)>;

}  // namespace tercel

#include "base/error.h"

#include "base/check.h"

namespace tercel {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::bad_input: return "bad input";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::not_found: return "not found";
    case ErrorCode::io: return "input/output";
    case ErrorCode::limit: return "limit";
    case ErrorCode::stopped: return "stopped";
  }
  return "unknown";
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): std::runtime_error copies, callers need not know
Error::Error(ErrorCode code, std::string message) : std::runtime_error(message), code_(code) {}

Error Error::within(std::string_view place) const {
  // The file that could not be opened names itself already.
  if (std::string_view(what()).starts_with(fmt::format("{}: ", place))) return *this;
  return Error(code_, fmt::format("{}: {}", place, what()));
}

void base::raise_bug(const char* file, int line, const char* condition, const std::string& message) {
  throw Bug(fmt::format("internal error at {}:{}: {} ({})", file, line, message, condition));
}

}  // namespace tercel

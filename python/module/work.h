// Long work called from Python: without the GIL, telling how far it is, stopping on Ctrl-C or when a callback fails.
#pragma once

#include <nanobind/nanobind.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "tercel/error.h"
#include "tercel/progress.h"

namespace tercel::python {

namespace nb = nanobind;

/// tercel.Error, for errors that the bindings find themselves.
[[noreturn]] void refuse(const std::string& sentence);

class Work {
 public:
  /// `progress`: None, a function of (stage, done), or a bar of tqdm's kind (tercel/_progress.py).
  explicit Work(const nb::object& progress);

  Progress progress();
  Warn warn();

  /// Calls `body` without the GIL. What a callback or a signal raised is raised here; Ctrl-C where there is a best so
  /// far gives that with a warning, otherwise KeyboardInterrupt.
  template <typename Body>
  auto run(Body&& body) -> decltype(body()) {
    try {
      auto result = [&] {
        const nb::gil_scoped_release unlocked;
        return body();
      }();
      after();
      return result;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::stopped) after_stop();
      if (raised_) std::rethrow_exception(raised_);
      throw;
    }
  }

  bool interrupted() const { return interrupted_; }

 private:
  bool report(std::string_view stage, double done);
  /// Keeps the exception of a callback for later; the answer to Progress: stop.
  bool keep(nb::python_error& error);
  void after();
  void after_stop();

  nb::object callback_;
  bool interrupted_ = false;
  std::exception_ptr raised_;
};

}  // namespace tercel::python

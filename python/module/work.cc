#include "work.h"

namespace tercel::python {

void refuse(const std::string& sentence) { throw Error(ErrorCode::bad_input, sentence); }

Work::Work(const nb::object& progress) : callback_(nb::none()) {
  if (!progress.is_none()) callback_ = nb::module_::import_("tercel._progress").attr("as_callback")(progress);
}

Progress Work::progress() {
  return [this](std::string_view stage, double done) { return report(stage, done); };
}

Warn Work::warn() {
  return [this](std::string_view what) {
    const nb::gil_scoped_acquire locked;
    if (raised_) return;
    try {
      nb::module_::import_("warnings").attr("warn")(nb::str(what.data(), what.size()), nb::arg("stacklevel") = 2);
    } catch (nb::python_error& error) {  // warnings that are errors
      keep(error);
    }
  };
}

bool Work::report(std::string_view stage, double done) {
  const nb::gil_scoped_acquire locked;
  if (raised_) return false;
  try {
    if (PyErr_CheckSignals() != 0) nb::raise_python_error();
    if (callback_.is_none()) return !interrupted_;
    const nb::object answer = callback_(nb::str(stage.data(), stage.size()), done);
    return !interrupted_ && !answer.is(nb::handle(Py_False));
  } catch (nb::python_error& error) {
    return keep(error);
  }
}

bool Work::keep(nb::python_error& error) {
  if (error.matches(PyExc_KeyboardInterrupt)) interrupted_ = true;
  else raised_ = std::current_exception();
  return false;
}

void Work::after() {
  if (raised_) std::rethrow_exception(raised_);
  if (interrupted_ && PyErr_WarnEx(PyExc_RuntimeWarning, "interrupted: this is the best so far", 1) != 0)
    nb::raise_python_error();
}

void Work::after_stop() {
  if (raised_ || !interrupted_) return;
  PyErr_SetString(PyExc_KeyboardInterrupt, "interrupted before there was a result");
  nb::raise_python_error();
}

}  // namespace tercel::python

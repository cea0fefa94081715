// tercel._tercel: the library for Python. The package tercel (python/tercel) gives it out under its own name.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../../apps/cli/run_program.h"
#include "bindings.h"
#include "pictures.h"
#include "records.h"
#include "tercel/error.h"
#include "tercel/version.h"

namespace tercel::python {
namespace {

/// tercel.Error with the same sentence and code.
void raise(const Error& error) {
  try {
    const nb::object type = nb::module_::import_("tercel._error").attr("Error");
    std::string code(to_string(error.code()));
    std::replace(code.begin(), code.end(), ' ', '_');  // a word of programs
    // Names in files may be no UTF-8.
    const std::string_view what = error.what();
    const nb::object text =
        nb::steal(PyUnicode_DecodeUTF8(what.data(), static_cast<Py_ssize_t>(what.size()), "replace"));
    PyErr_SetObject(type.ptr(), type(text, nb::str(code.c_str())).ptr());
  } catch (nb::python_error& failed) {
    failed.restore();
  }
}

int run_program(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const nb::gil_scoped_release unlocked;
  return cli::run_program(static_cast<int>(words.size()), arguments.data());
}

}  // namespace
}  // namespace tercel::python

NB_MODULE(_tercel, module) {
  using namespace tercel::python;
  namespace nb = nanobind;
  nb::set_leak_warnings(false);  // objects that live to the interpreter's end are no fault of the program
  module.doc() = "The compiled part of tercel.";
  nb::register_exception_translator([](const std::exception_ptr& raised, void*) {
    try {
      std::rethrow_exception(raised);
    } catch (const tercel::Error& error) {
      tercel::python::raise(error);
    }
  });
  bind_pictures(module);
  bind_model(module);
  bind_session(module);
  bind_compress(module);
  bind_quantize(module);
  bind_static_norm(module);
  bind_hopfield(module);
  Record<tercel::BuildInfo>(module, "BuildInfo", "What a report of a fault should hold.")
      .field("version", &tercel::BuildInfo::version, "'0.1.0'.")
      .field("commit", &tercel::BuildInfo::commit, "'unknown' without git.")
      .field("compiler", &tercel::BuildInfo::compiler, "And the kind of build.")
      .field("isa", &tercel::BuildInfo::isa, "The instruction set that sessions take here.")
      .field("machine_isa", &tercel::BuildInfo::machine_isa, "The best that this machine has.")
      .field("processors", &tercel::BuildInfo::processors, "That this process may use.")
      .field("libraries", &tercel::BuildInfo::libraries, "Name and version; 'none' for what the build is without.");
  module.def("build_info", &tercel::build_info, "Version, compiler, instruction set, libraries.");
  module.def("version", &tercel::version, "'0.1.0'.");
  module.def("_run_program", &run_program, nb::arg("words"), "The program's exit status. Takes over SIGINT.");
}

// Paths as Python gives them.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>

#include <filesystem>
#include <string>

#include "work.h"

namespace tercel::python {

/// A str or os.PathLike as a path. Throws Error for anything else, and for text that can be no path (it holds a NUL).
inline std::filesystem::path to_path(nb::handle object) {
  std::filesystem::path path;
  if (!nb::try_cast<std::filesystem::path>(object, path)) {
    PyErr_Clear();
    refuse("not a path: " + nb::cast<std::string>(nb::repr(object)));
  }
  return path;
}

/// A file is not written under the other format's ending.
inline void check_ending(const std::filesystem::path& path, const char* own, const char* other) {
  if (path.extension() == other)
    refuse(path.string() + ": wanted a name that ends in " + own + ", after the format of the file");
}

}  // namespace tercel::python

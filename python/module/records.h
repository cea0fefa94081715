// Plain structs of the library as classes of Python: read-only fields, a repr, and a dict for tables.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <string>

namespace tercel::python {

namespace nb = nanobind;

/// "StepReport(node='conv1', ...)" of an object whose class lists its fields in `_fields`.
std::string record_repr(nb::handle record);
/// {field: value}, records inside turned into dicts, too.
nb::dict record_dict(nb::handle record);

/// Binds a struct field by field.
template <typename T>
class Record {
 public:
  Record(nb::module_& module, const char* name, const char* doc) : class_(module, name, doc) {}
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;
  ~Record() {
    class_.attr("_fields") = nb::tuple(names_);
    class_.def("to_dict", &record_dict, nb::sig("def to_dict(self) -> dict[str, Any]"),
               "The fields as a dict: a row for pandas.DataFrame.");
    class_.def("__repr__", &record_repr);
  }

  template <typename Member>
  Record& field(const char* name, Member T::*member, const char* doc) {
    class_.def_ro(name, member, doc);
    names_.append(name);
    return *this;
  }
  /// A field that is computed: an enumerator as the word for it.
  template <typename Get>
  Record& field_of(const char* name, Get&& get, const char* doc) {
    class_.def_prop_ro(name, std::forward<Get>(get), doc);
    names_.append(name);
    return *this;
  }
  nb::class_<T>& of() { return class_; }

 private:
  nb::class_<T> class_;
  nb::list names_;
};

}  // namespace tercel::python

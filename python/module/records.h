// Plain structs of the library as classes of Python: read-only fields, a repr, and a dict for tables.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "work.h"

namespace tercel::python {

namespace nb = nanobind;

/// "StepReport(node='conv1', ...)" of an object whose class lists its fields in `_fields`.
std::string record_repr(nb::handle record);
/// {field: value}, records inside turned into dicts, too.
nb::dict record_dict(nb::handle record);

/// Binds a struct field by field. It pickles as its fields are, so that answers come back from other processes.
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
    if constexpr (std::is_default_constructible_v<T>) def_pickle();
  }

  template <typename Member>
  Record& field(const char* name, Member T::*member, const char* doc) {
    class_.def_ro(name, member, doc);
    names_.append(name);
    static_assert(!std::is_same_v<Member, std::string_view>, "a view would outlive what it was read from");
    state_.push_back({[member](const T& from) { return nb::cast(from.*member); },
                      [member](T& to, nb::handle from) { to.*member = nb::cast<Member>(from); }});
    return *this;
  }
  /// An enumerator, shown as the word for it.
  template <typename Member>
  Record& field_as_word(const char* name, Member T::*member, std::string_view (*word)(Member), const char* doc) {
    field_of(
        name, [member, word](const T& from) { return word(from.*member); }, doc);
    state_.push_back({[member](const T& from) { return nb::cast(static_cast<int>(from.*member)); },
                      [member](T& to, nb::handle from) { to.*member = static_cast<Member>(nb::cast<int>(from)); }});
    return *this;
  }
  /// A field that follows from others.
  template <typename Get>
  Record& field_of(const char* name, Get&& get, const char* doc) {
    class_.def_prop_ro(name, std::forward<Get>(get), doc);
    names_.append(name);
    return *this;
  }
  nb::class_<T>& of() { return class_; }

 private:
  struct StateOfField {
    std::function<nb::object(const T&)> get;
    std::function<void(T&, nb::handle)> set;
  };

  void def_pickle() {
    class_.def(
        "__getstate__",
        [state = state_](const T& self) {
          nb::list out;
          for (const StateOfField& field : state) out.append(field.get(self));
          return nb::tuple(out);
        },
        nb::sig("def __getstate__(self) -> tuple[Any, ...]"));
    class_.def(
        "__setstate__",
        [state = state_](T& self, const nb::tuple& given) {
          if (given.size() != state.size()) refuse("a pickle of another version of Tercel: its fields are others");
          T value{};
          for (size_t i = 0; i < state.size(); ++i) state[i].set(value, given[i]);
          new (&self) T(std::move(value));
        },
        nb::sig("def __setstate__(self, state: tuple[Any, ...], /) -> None"));
  }

  nb::class_<T> class_;
  nb::list names_;
  std::vector<StateOfField> state_;
};

}  // namespace tercel::python

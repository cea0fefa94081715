#include "records.h"

namespace tercel::python {
namespace {

nb::object plain(nb::handle value) {
  if (nb::hasattr(value, "_fields")) return record_dict(value);
  if (nb::isinstance<nb::list>(value)) {
    nb::list out;
    for (nb::handle item : nb::borrow<nb::list>(value)) out.append(plain(item));
    return out;
  }
  return nb::borrow(value);
}

}  // namespace

std::string record_repr(nb::handle record) {
  std::string text = nb::cast<std::string>(record.type().attr("__name__")) + "(";
  bool first = true;
  for (nb::handle name : nb::borrow<nb::tuple>(record.type().attr("_fields"))) {
    if (!first) text += ", ";
    first = false;
    const nb::object value = record.attr(nb::borrow<nb::str>(name));
    // Layers, steps and the like are shown by their number: hundreds of lines would be.
    const bool many = nb::isinstance<nb::list>(value) && nb::len(value) > 4;
    text += nb::cast<std::string>(nb::str(name)) + "=" +
            (many ? "[... " + std::to_string(nb::len(value)) + " items]" : nb::cast<std::string>(nb::repr(value)));
  }
  return text + ")";
}

nb::dict record_dict(nb::handle record) {
  nb::dict out;
  for (nb::handle name : nb::borrow<nb::tuple>(record.type().attr("_fields")))
    out[name] = plain(record.attr(nb::borrow<nb::str>(name)));
  return out;
}

}  // namespace tercel::python

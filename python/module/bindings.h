// What module.cc puts together.
#pragma once

#include <nanobind/nanobind.h>

namespace tercel::python {

void bind_model(nanobind::module_& module);
void bind_session(nanobind::module_& module);
void bind_compress(nanobind::module_& module);
void bind_quantize(nanobind::module_& module);
void bind_static_norm(nanobind::module_& module);
void bind_hopfield(nanobind::module_& module);

}  // namespace tercel::python

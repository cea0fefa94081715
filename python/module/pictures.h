// Pictures and preprocessing as Python gives them.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>

#include "tercel/image.h"
#include "tercel/model.h"

namespace tercel::python {

namespace nb = nanobind;

/// A path, the bytes of a file, an Image, a PIL.Image, or an array of uint8: [h, w, 3], [h, w, 4] (alpha is dropped) or
/// [h, w]. Throws Error that says what would do.
Image to_image(nb::handle picture);

/// A Preprocessing, the name of a preset, a Model (its own), or None: nothing.
std::optional<Preprocessing> to_preprocessing(nb::handle how);

void bind_pictures(nb::module_& module);

}  // namespace tercel::python

// Arrays of Python as views of the library, and back, without a copy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <vector>

#include "tercel/array.h"
#include "tercel/model.h"

namespace tercel::python {

namespace nb = nanobind;

/// "numpy.float32".
std::string numpy_name(DType dtype);

/// An input, kept alive as long as this object lives.
struct HeldInput {
  nb::ndarray<nb::ro> array;
  ArrayView view;
};

/// The array's memory as it is: by buffer protocol or DLPack, read-only too. Throws Error that says what to write where
/// it is no array, not on the CPU, of another type than the port's, or not in C order.
HeldInput held_input(const Port& port, nb::handle array);

struct HeldOutput {
  nb::ndarray<> array;
  MutableArrayView view;
};

/// The same, to be written into.
HeldOutput held_output(const Port& port, nb::handle array);

/// A NumPy array that owns the elements. bf16 comes as ml_dtypes.bfloat16; Error where that package is missing.
nb::object to_numpy(Array&& array);

/// Does this look like an array: can it be given without a copy?
bool is_array(nb::handle object);

/// The dtype as NumPy says it: "float64", or the name of the object's type.
std::string described(nb::handle object);

}  // namespace tercel::python

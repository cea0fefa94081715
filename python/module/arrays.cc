#include "arrays.h"

#include <fmt/format.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <utility>

#include "work.h"

namespace tercel::python {
namespace {

using Code = nb::dlpack::dtype_code;

struct Element {
  DType dtype;
  Code code;
  uint8_t bits;
  const char* numpy;
};

constexpr Element kElements[] = {
    {DType::f32, Code::Float, 32, "numpy.float32"}, {DType::f64, Code::Float, 64, "numpy.float64"},
    {DType::f16, Code::Float, 16, "numpy.float16"}, {DType::bf16, Code::Bfloat, 16, "ml_dtypes.bfloat16"},
    {DType::i8, Code::Int, 8, "numpy.int8"},        {DType::u8, Code::UInt, 8, "numpy.uint8"},
    {DType::i16, Code::Int, 16, "numpy.int16"},     {DType::u16, Code::UInt, 16, "numpy.uint16"},
    {DType::i32, Code::Int, 32, "numpy.int32"},     {DType::u32, Code::UInt, 32, "numpy.uint32"},
    {DType::i64, Code::Int, 64, "numpy.int64"},     {DType::u64, Code::UInt, 64, "numpy.uint64"},
    {DType::boolean, Code::Bool, 8, "numpy.bool_"},
};

const Element* element_of(DType dtype) {
  for (const Element& e : kElements)
    if (e.dtype == dtype) return &e;
  return nullptr;
}

DType dtype_of(nb::dlpack::dtype type) {
  for (const Element& e : kElements)
    if (static_cast<uint8_t>(e.code) == type.code && e.bits == type.bits && type.lanes == 1) return e.dtype;
  return DType::none;
}

std::string class_name(nb::handle object) { return nb::cast<std::string>(object.type().attr("__name__")); }

std::string dtype_text(nb::handle object) {
  try {
    const nb::object dtype = object.attr("dtype");  // nb::str of an accessor would want it to be one
    return nb::cast<std::string>(nb::str(dtype));
  } catch (nb::python_error&) {
    return "unknown type";
  }
}

/// NumPy says bfloat16 through ml_dtypes, which neither the buffer protocol nor DLPack can tell.
bool is_ml_bfloat16(nb::handle object) {
  return nb::hasattr(object, "dtype") && nb::hasattr(object, "view") && dtype_text(object) == "bfloat16" &&
         nb::hasattr(object.attr("dtype"), "itemsize") && class_name(object) == "ndarray";
}

/// What import_array found out in vain: why, and what to write instead.
[[noreturn]] void refuse_array(const std::string& where, DType wanted, nb::handle object, const std::string& because) {
  const std::string name = numpy_name(wanted);
  std::string why = because.empty() ? "" : " (" + because + ")";
  if (nb::hasattr(object, "detach") && nb::hasattr(object, "requires_grad") &&
      nb::cast<bool>(object.attr("requires_grad")))
    refuse(fmt::format("{}: the tensor requires a gradient; write x.detach()", where));
  if (nb::hasattr(object, "flags") && nb::hasattr(object.attr("flags"), "writeable") &&
      !nb::cast<bool>(object.attr("flags").attr("writeable")) && where.starts_with("out"))
    refuse(where + ": the array is read-only");
  if (nb::hasattr(object, "dtype") && nb::hasattr(object, "astype"))
    refuse(fmt::format("{}: wanted {}, got an array of {}, which cannot be read as numbers{}; write x.astype({})",
                       where, to_string(wanted), dtype_text(object), why, name));
  refuse(
      fmt::format("{}: wanted an array of {} (NumPy, PyTorch, or anything with the buffer protocol or DLPack), got "
                  "{}{}; write numpy.asarray(x, dtype={})",
                  where, to_string(wanted), class_name(object), why, name));
}

template <typename NdArray>
bool try_import(nb::handle object, NdArray& array, std::string& because) {
  bool found = false;
  try {
    found = nb::try_cast<NdArray>(object, array, false);
  } catch (nb::python_error& error) {
    because = nb::cast<std::string>(nb::str(error.value()));
  }
  PyErr_Clear();
  return found;
}

/// The common case comes first: what is asked of the object costs more than the run of a small network.
template <typename NdArray>
NdArray import_array(const std::string& where, DType wanted, nb::handle object, DType& dtype) {
  NdArray array;
  std::string because;
  const bool found = try_import(object, array, because);
  if (found) dtype = dtype_of(array.dtype());
  else if (!is_ml_bfloat16(object) || !try_import(object.attr("view")("uint16"), array, because))
    refuse_array(where, wanted, object, because);
  else dtype = DType::bf16;
  if (array.device_type() != nb::device::cpu::value)
    refuse(fmt::format("{}: the array is not in the processor's memory; write x.cpu()", where));
  return array;
}

/// In C order? Axes of one element may have any stride.
template <typename NdArray>
bool is_c_contiguous(const NdArray& array) {
  int64_t stride = 1;
  if (array.size() == 0) return true;
  for (size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != stride) return false;
    stride *= static_cast<int64_t>(array.shape(i));
  }
  return true;
}

template <typename NdArray>
std::vector<int64_t> dims_of(const NdArray& array) {
  std::vector<int64_t> dims(array.ndim());
  for (size_t i = 0; i < dims.size(); ++i) dims[i] = static_cast<int64_t>(array.shape(i));
  return dims;
}

template <typename NdArray>
void check(const std::string& where, DType wanted, const NdArray& array, DType dtype, nb::handle object) {
  if (dtype != wanted) {
    const bool torch = nb::hasattr(object, "requires_grad");
    refuse(fmt::format("{}: wanted {}, got {}; write {}", where, to_string(wanted),
                       dtype == DType::none ? dtype_text(object) : to_string(dtype),
                       torch
                           ? fmt::format("x.to(torch.{})", numpy_name(wanted).substr(numpy_name(wanted).find('.') + 1))
                           : fmt::format("x.astype({})", numpy_name(wanted))));
  }
  if (!is_c_contiguous(array))
    refuse(fmt::format("{}: the array is not in C order (rows one after another); write {}", where,
                       nb::hasattr(object, "contiguous") ? "x.contiguous()" : "numpy.ascontiguousarray(x)"));
}

}  // namespace

std::string numpy_name(DType dtype) {
  const Element* element = element_of(dtype);
  return element == nullptr ? "numpy.float32" : element->numpy;
}

std::string described(nb::handle object) {
  return nb::hasattr(object, "dtype") ? dtype_text(object) : class_name(object);
}

bool is_array(nb::handle object) {
  return nb::ndarray_check(object) || nb::hasattr(object, "__dlpack__") || nb::hasattr(object, "__array_interface__");
}

HeldInput held_input(const Port& port, nb::handle object) {
  const auto where = [&] { return "input '" + port.name + "'"; };
  HeldInput held;
  DType dtype = DType::none;
  held.array = import_array<nb::ndarray<nb::ro>>(where(), port.dtype, object, dtype);
  if (dtype != port.dtype || !is_c_contiguous(held.array)) check(where(), port.dtype, held.array, dtype, object);
  held.view = ArrayView(dtype, dims_of(held.array), held.array.data());
  return held;
}

HeldOutput held_output(const Port& port, nb::handle object) {
  const std::string where = "out for '" + port.name + "'";
  HeldOutput held;
  DType dtype = DType::none;
  held.array = import_array<nb::ndarray<>>(where, port.dtype, object, dtype);
  check(where, port.dtype, held.array, dtype, object);
  held.view = MutableArrayView(dtype, dims_of(held.array), held.array.data());
  if (reinterpret_cast<uintptr_t>(held.view.data) % size_of(dtype) != 0)
    refuse(where + ": the array's memory is not aligned for its type; write numpy.empty(shape, dtype)");
  return held;
}

nb::object to_numpy(Array&& array) {
  const DType dtype = array.dtype();
  const Element* element = element_of(dtype);
  auto owner = std::make_unique<Array>(std::move(array));
  std::vector<size_t> shape(owner->dims().begin(), owner->dims().end());
  static std::byte nothing[16];  // an empty array still wants an address
  void* data = owner->bytes() == 0 ? static_cast<void*>(nothing) : owner->data();
  const nb::capsule keeper(owner.release(), [](void* p) noexcept { delete static_cast<Array*>(p); });
  const bool bf16 = dtype == DType::bf16;
  const nb::dlpack::dtype type{static_cast<uint8_t>(bf16 ? Code::UInt : element->code), element->bits, 1};
  nb::object out = nb::cast(nb::ndarray<nb::numpy>(data, shape.size(), shape.data(), keeper, nullptr, type),
                            nb::rv_policy::reference);
  if (!bf16) return out;
  try {
    return out.attr("view")(nb::module_::import_("ml_dtypes").attr("bfloat16"));
  } catch (nb::python_error&) {
    refuse("an output is bf16, which NumPy knows through the package ml_dtypes: pip install ml_dtypes");
  }
}

}  // namespace tercel::python

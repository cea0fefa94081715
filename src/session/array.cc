#include "tercel/array.h"

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "onnx/tensor_proto.h"
#include "session/npy.h"
#include "tensor/tensor.h"

namespace tercel {

Array::Array(DType dtype, std::vector<int64_t> dims) : dtype_(dtype), dims_(std::move(dims)) {
  bytes_.resize(static_cast<size_t>(count_elements(dims_)) * size_of(dtype_));
}

Array::Array(std::vector<int64_t> dims, std::span<const float> values) : Array(DType::f32, std::move(dims)) {
  if (static_cast<int64_t>(values.size()) != elements())
    fail_input("{} values for an array of shape {}", values.size(), to_string(dims_));
  if (!values.empty()) std::memcpy(bytes_.data(), values.data(), bytes_.size());
}

size_t ArrayView::bytes() const { return static_cast<size_t>(count_elements(dims)) * size_of(dtype); }

Array ArrayView::copy() const {
  Array array(dtype, dims);
  if (array.bytes() > 0) std::memcpy(array.data(), data, array.bytes());
  return array;
}

size_t MutableArrayView::bytes() const { return static_cast<size_t>(count_elements(dims)) * size_of(dtype); }

int64_t Array::elements() const { return dtype_ == DType::none ? 0 : count_elements(dims_); }

std::span<const float> Array::floats() const {
  if (dtype_ != DType::f32) fail_input("the array holds {}, not f32", to_string(dtype_));
  return {reinterpret_cast<const float*>(bytes_.data()), static_cast<size_t>(elements())};
}

std::span<float> Array::floats() {
  const auto view = std::as_const(*this).floats();
  return {const_cast<float*>(view.data()), view.size()};
}

std::vector<float> Array::to_floats() const {
  std::vector<float> values;
  if (dtype_ == DType::none) return values;
  for (double v : Tensor(dtype_, dims_, bytes_.data(), nullptr).to_doubles()) values.push_back(static_cast<float>(v));
  return values;
}

Array Array::open(const std::filesystem::path& path) {
  return at_place([&] { return path.string(); },
                  [&] {
                    const auto file = MappedFile::open(path);
                    if (is_npy(file->bytes())) return read_npy(file->bytes());
                    if (path.extension() != ".pb") fail_input("neither a NumPy .npy file nor named .pb");
                    const Tensor tensor = onnx::read_tensor_file(path).tensor;
                    Array array(tensor.dtype(), tensor.dims());
                    if (array.bytes() > 0) std::memcpy(array.data(), tensor.data(), array.bytes());
                    return array;
                  });
}

void Array::save(const std::filesystem::path& path, std::string_view name) const {
  if (path.extension() == ".pb") {
    onnx::write_tensor_file(path, {std::string(name), Tensor(dtype_, dims_, bytes_.data(), nullptr)});
  } else if (path.extension() == ".npy") {
    AtomicFile file(path);
    file.write(npy_header(*this));
    file.write(std::span(bytes_));
    file.commit();
  } else {
    fail_input("{}: arrays are written as .npy or .pb", path.string());
  }
}

}  // namespace tercel

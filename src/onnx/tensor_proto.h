// TensorProto <-> Tensor.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "onnx/protozero.h"
#include "tensor/tensor.h"

namespace tercel::onnx {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Where tensor data may come from besides the message itself.
struct TensorSource {
  std::shared_ptr<const void> owner;  ///< keeps the message's bytes alive: raw data is used where it lies
  bool mapped = false;                ///< the message lies in a mapped file
  std::filesystem::path folder;       ///< external data files lie here or below; empty: none are allowed
  /// Set: asked instead of files for elements that lie elsewhere, with the tensor's name and the location in the
  /// message.
  std::function<Tensor(std::string_view name, std::string_view location, DType, const Dims&)> elsewhere = {};
  /// Set: told of each file that elements were found in, once a tensor.
  std::function<void(const std::filesystem::path&, int64_t bytes)> found = {};
};

/// Throws Error for types Tercel does not hold, counts that do not fit the shape, external files outside the folder.
NamedTensor read_tensor(protozero::pbf_reader message, const TensorSource& source);

/// A whole .pb file that holds one TensorProto, as ONNX test data has.
NamedTensor read_tensor_file(const std::filesystem::path& path);
void write_tensor_file(const std::filesystem::path& path, const NamedTensor& tensor);

/// Appends the TensorProto message to `out`.
void write_tensor(std::string& out, std::string_view name, const Tensor& tensor);

/// The same without elements: they lie elsewhere.
void write_tensor_elsewhere(std::string& out, std::string_view name, const Tensor& tensor, std::string_view location);

}  // namespace tercel::onnx

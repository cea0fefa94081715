// Field numbers of onnx.proto (ONNX IR), as far as Tercel reads or writes them.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace tercel::onnx {

enum class ModelField : uint32_t {
  ir_version = 1,
  producer_name = 2,
  producer_version = 3,
  graph = 7,
  opset_import = 8,
  metadata_props = 14,
  functions = 25
};
enum class OpsetField : uint32_t { domain = 1, version = 2 };
enum class EntryField : uint32_t { key = 1, value = 2 };
enum class GraphField : uint32_t {
  node = 1,
  name = 2,
  initializer = 5,
  input = 11,
  output = 12,
  value_info = 13,
  sparse_initializer = 15
};
enum class NodeField : uint32_t {
  input = 1,
  output = 2,
  name = 3,
  op_type = 4,
  attribute = 5,
  domain = 7,
  overload = 8
};
enum class FunctionField : uint32_t {
  name = 1,
  input = 4,
  output = 5,
  attribute = 6,
  node = 7,
  opset_import = 9,
  domain = 10,
  attribute_proto = 11,
  overload = 13
};
enum class AttributeField : uint32_t {
  name = 1,
  f = 2,
  i = 3,
  s = 4,
  t = 5,
  g = 6,
  floats = 7,
  ints = 8,
  strings = 9,
  tensors = 10,
  graphs = 11,
  type = 20,
  ref_attr_name = 21
};
enum class TensorField : uint32_t {
  dims = 1,
  data_type = 2,
  segment = 3,
  float_data = 4,
  int32_data = 5,
  string_data = 6,
  int64_data = 7,
  name = 8,
  raw_data = 9,
  double_data = 10,
  uint64_data = 11,
  external_data = 13,
  data_location = 14
};
enum class ValueInfoField : uint32_t { name = 1, type = 2 };
enum class TypeField : uint32_t { tensor_type = 1 };
enum class TensorTypeField : uint32_t { elem_type = 1, shape = 2 };
enum class ShapeField : uint32_t { dim = 1 };
enum class DimField : uint32_t { dim_value = 1, dim_param = 2 };

enum class AttributeType : int32_t {
  undefined = 0,
  real = 1,
  integer = 2,
  text = 3,
  tensor = 4,
  graph = 5,
  reals = 6,
  integers = 7,
  texts = 8,
  tensors = 9,
  graphs = 10
};

/// TensorProto.DataType and back. DType::none for types Tercel does not hold (strings, complex, 8- and 4-bit floats
/// ...).
DType dtype_from_onnx(int32_t data_type);
int32_t dtype_to_onnx(DType dtype);
/// "string", "complex64", "number 99": for errors.
const char* onnx_type_name(int32_t data_type);

}  // namespace tercel::onnx

#include "onnx/value_info.h"

#include <optional>

#include "base/error.h"
#include "onnx/proto.h"
#include "onnx/tensor_proto.h"

namespace tercel::onnx {
namespace {

using protozero::pbf_message;
using protozero::pbf_reader;

void read_dim(pbf_message<DimField> m, ValueInfo& info) {
  int64_t extent = kUnknown;
  std::string symbol;
  while (m.next()) {
    switch (m.tag()) {
      case DimField::dim_value: extent = m.get_int64(); break;
      case DimField::dim_param: symbol = m.get_string(); break;
      default: m.skip();
    }
  }
  if (extent < -1) fail_input("an extent of {}", extent);
  if (info.type.dims.size() >= kMaxRank) fail_input("more than {} axes", kMaxRank);
  info.type.dims.push_back(extent);
  info.dim_names.push_back(std::move(symbol));
}

void read_tensor_type(pbf_message<TensorTypeField> m, ValueInfo& info) {
  while (m.next()) {
    switch (m.tag()) {
      case TensorTypeField::elem_type: {
        const int32_t code = m.get_int32();
        info.type.dtype = dtype_from_onnx(code);
        if (info.type.dtype == DType::none) fail_unsupported("elements of type {} ({})", onnx_type_name(code), code);
        break;
      }
      case TensorTypeField::shape:
        info.type.ranked = true;
        for (pbf_message<ShapeField> shape(m.get_message()); shape.next();) {
          if (shape.tag() == ShapeField::dim) read_dim(shape.get_message(), info);
          else shape.skip();
        }
        break;
      default: m.skip();
    }
  }
}

}  // namespace

ValueInfo read_value_info(const pbf_reader& message) {
  ValueInfo info;
  std::optional<pbf_reader> type;
  for (pbf_message<ValueInfoField> m(message); m.next();) {
    switch (m.tag()) {
      case ValueInfoField::name: info.name = m.get_string(); break;
      case ValueInfoField::type: type = m.get_message(); break;
      default: m.skip();
    }
  }
  at_place([&] { return fmt::format("'{}'", info.name); },
           [&] {
             if (!type) return;
             for (pbf_message<TypeField> m(*type); m.next();) {
               if (m.tag() != TypeField::tensor_type) fail_unsupported("not a tensor (sequence, map or optional)");
               read_tensor_type(m.get_message(), info);
             }
           });
  return info;
}

}  // namespace tercel::onnx

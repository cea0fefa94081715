#include "onnx/proto.h"

#include <array>

namespace tercel::onnx {
namespace {

struct TypeRow {
  const char* name;
  DType dtype;
};
// Indexed by TensorProto.DataType.
constexpr std::array<TypeRow, 24> kTypes = {{{"undefined", DType::none},
                                             {"float", DType::f32},
                                             {"uint8", DType::u8},
                                             {"int8", DType::i8},
                                             {"uint16", DType::u16},
                                             {"int16", DType::i16},
                                             {"int32", DType::i32},
                                             {"int64", DType::i64},
                                             {"string", DType::none},
                                             {"bool", DType::boolean},
                                             {"float16", DType::f16},
                                             {"double", DType::f64},
                                             {"uint32", DType::u32},
                                             {"uint64", DType::u64},
                                             {"complex64", DType::none},
                                             {"complex128", DType::none},
                                             {"bfloat16", DType::bf16},
                                             {"float8e4m3fn", DType::none},
                                             {"float8e4m3fnuz", DType::none},
                                             {"float8e5m2", DType::none},
                                             {"float8e5m2fnuz", DType::none},
                                             {"uint4", DType::none},
                                             {"int4", DType::none},
                                             {"float4e2m1", DType::none}}};

bool known(int32_t data_type) { return data_type >= 0 && data_type < static_cast<int32_t>(kTypes.size()); }

}  // namespace

DType dtype_from_onnx(int32_t data_type) {
  return known(data_type) ? kTypes[static_cast<size_t>(data_type)].dtype : DType::none;
}

int32_t dtype_to_onnx(DType dtype) {
  for (size_t i = 1; i < kTypes.size(); ++i)
    if (kTypes[i].dtype == dtype) return static_cast<int32_t>(i);
  return 0;
}

const char* onnx_type_name(int32_t data_type) {
  return known(data_type) ? kTypes[static_cast<size_t>(data_type)].name : "unknown";
}

}  // namespace tercel::onnx

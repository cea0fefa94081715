#include "base/error.h"
#include "onnx/proto.h"
#include "onnx/translate.h"

namespace tercel::onnx {
namespace {

Value* scalar_like(Draft& d, float value, std::string_view hint) {
  return visit_dtype(d.dtype(0), [&](auto tag) {
    using T = typename decltype(tag)::type;
    return d.graph.add_constant(hint, Tensor::scalar<T>(static_cast<T>(value)));
  });
}

// Until opset 11 the bounds were attributes.
void clip(Draft& d) {
  if (d.opset >= 11) return;
  size_t place = 1;
  for (const char* key : {"min", "max"}) {
    if (const float* bound = d.attr<float>(key)) d.set_input(place, scalar_like(d, *bound, key));
    d.attrs.erase(key);
    ++place;
  }
}

// At inference Dropout passes its input on; a mask, where somebody wants it, is all true. Until opset 10 it had the
// type of the data.
void dropout(Draft& d) {
  if (Value* training = d.input(2)) {
    if (!training->is_constant()) fail_unsupported("training_mode is not a constant");
    if (training->constant.to_ints().at(0) != 0) {
      const Value* ratio = d.input(1);
      const bool keeps_all = ratio != nullptr && ratio->is_constant() && ratio->constant.to_doubles().at(0) == 0.0;
      if (!keeps_all) fail_unsupported("Dropout in training mode is random");
    }
  }
  d.add_final("Identity", {d.input(0)});
  if (d.output(1) != nullptr) {
    Value* shape = d.add("Shape", {d.input(0)});
    const Attrs all_true{{"value", Tensor::of<Bool>({1}, {Bool(true)})}};
    if (d.opset < 10) d.add_final("CastLike", {d.add("ConstantOfShape", {shape}, all_true), d.input(0)}, {}, 1);
    else d.add_final("ConstantOfShape", {shape}, all_true, 1);
  }
  d.finished = true;
}

void dtype_attr(Draft& d, std::string_view key) {
  const int64_t* code = d.attr<int64_t>(key);
  if (code == nullptr) return;
  const auto number = static_cast<int32_t>(*code);
  const DType dtype = number == *code ? dtype_from_onnx(number) : DType::none;
  if (dtype == DType::none)
    fail_unsupported("attribute '{}': elements of type {} ({})", key, onnx_type_name(number), *code);
  d.attrs.set(key, std::string(to_string(dtype)));
}

void cast(Draft& d) {
  dtype_attr(d, "to");
  d.attrs.erase("saturate");  // only means something for 8-bit floats
}

void cast_like(Draft& d) { d.attrs.erase("saturate"); }
void eye_like(Draft& d) { dtype_attr(d, "dtype"); }
void window(Draft& d) { dtype_attr(d, "output_datatype"); }

}  // namespace

Rules elementwise_rules() {
  return {{"Clip", clip},
          {"Dropout", dropout},
          {"Cast", cast},
          {"CastLike", cast_like},
          {"EyeLike", eye_like},
          {"BlackmanWindow", window},
          {"HammingWindow", window},
          {"HannWindow", window}};
}

}  // namespace tercel::onnx

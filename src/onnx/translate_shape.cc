#include "base/error.h"
#include "onnx/translate.h"

namespace tercel::onnx {
namespace {

void constant(Draft& d) {
  Tensor tensor;
  if (const auto* value = d.attr<Tensor>("value")) tensor = *value;
  else if (const auto* i = d.attr<int64_t>("value_int")) tensor = Tensor::scalar<int64_t>(*i);
  else if (const auto* f = d.attr<float>("value_float")) tensor = Tensor::scalar<float>(*f);
  else if (const auto* ints = d.attr<std::vector<int64_t>>("value_ints"))
    tensor = Tensor::of<int64_t>({static_cast<int64_t>(ints->size())}, *ints);
  else if (const auto* floats = d.attr<std::vector<float>>("value_floats"))
    tensor = Tensor::of<float>({static_cast<int64_t>(floats->size())}, *floats);
  else fail_unsupported("a constant that is neither a tensor nor numbers");
  Value* result = d.output(0);
  if (result == nullptr || d.outputs.size() != 1 || !d.inputs.empty())
    fail_input("takes no input and makes one output");
  d.graph.make_constant(result, std::move(tensor));
  d.finished = true;
}

// Until opset 13 the axes were an attribute.
void squeeze(Draft& d) { d.attr_to_input("axes", 1); }

void split(Draft& d) {
  d.attr_to_input("split", 1);
  if (d.input(1) == nullptr && !d.attrs.has("num_outputs"))
    d.attrs.set("num_outputs", static_cast<int64_t>(d.outputs.size()));
}

// Until opset 10 all parameters were attributes.
void slice(Draft& d) {
  d.attr_to_input("starts", 1);
  d.attr_to_input("ends", 2);
  d.attr_to_input("axes", 3);
}

// Until opset 11 pads and value were attributes.
void pad(Draft& d) {
  if (d.opset >= 11) return;
  d.attr_to_input("pads", 1);
  if (const float* value = d.attr<float>("value")) {
    const float fill = *value;
    d.set_input(2, visit_dtype(d.dtype(0), [&](auto tag) {
                  using T = typename decltype(tag)::type;
                  return d.graph.add_constant("pad_value", Tensor::scalar<T>(static_cast<T>(fill)));
                }));
    d.attrs.erase("value");
  }
}

// Opset 10's Resize(X, scales) and Upsample sample at x * scale without half-pixel shift, and round down.
void resize_asymmetric(Draft& d) {
  Value* scales = d.input(1);
  if (const auto* list = d.attr<std::vector<float>>("scales")) {  // Upsample 7
    scales = d.graph.add_constant("scales", Tensor::of<float>({static_cast<int64_t>(list->size())}, *list));
    d.attrs.erase("scales");
  }
  d.op = "Resize";
  d.inputs = {d.input(0), nullptr, scales};
  d.attrs.set("coordinate_transformation_mode", std::string("asymmetric"));
  d.attrs.set("nearest_mode", std::string("floor"));
}

void resize(Draft& d) {
  if (d.opset < 11) resize_asymmetric(d);
}

void scatter(Draft& d) { d.op = "ScatterElements"; }

// Until opset 16 regions were not moved by half a pixel.
void roi_align(Draft& d) {
  if (d.opset < 16) d.attrs.set("coordinate_transformation_mode", std::string("output_half_pixel"));
}

}  // namespace

Rules shape_rules() {
  return {{"Constant", constant}, {"Squeeze", squeeze},   {"Unsqueeze", squeeze},          {"Split", split},
          {"Slice", slice},       {"Pad", pad},           {"Upsample", resize_asymmetric}, {"Resize", resize},
          {"Scatter", scatter},   {"RoiAlign", roi_align}};
}

}  // namespace tercel::onnx

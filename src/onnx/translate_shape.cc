#include <utility>

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

// Until opset 18 parts without sizes were equal ones.
void split(Draft& d) {
  d.attr_to_input("split", 1);
  if (d.opset < 18 && d.input(1) == nullptr && d.input(0) != nullptr && d.input(0)->type.ranked) {
    const Dims& dims = d.input(0)->type.dims;
    const auto* axis = d.attr<int64_t>("axis");
    const auto rank = static_cast<int64_t>(dims.size()), parts = static_cast<int64_t>(d.outputs.size());
    const int64_t extent = dims[static_cast<size_t>(normalize_axis(axis == nullptr ? 0 : *axis, rank))];
    if (extent != kUnknown && parts > 0 && extent % parts != 0)
      fail_input("an extent of {} does not come apart into {} equal parts, which is what no sizes mean before opset 18",
                 extent, parts);
  }
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

/// Scales as they are above 1, and 1 for the others; or the reverse.
Value* scales_beyond_one(Draft& d, Value* scales, bool enlarging) {
  if (!scales->is_constant() || scales->type.dtype != DType::f32)
    return d.add(enlarging ? "Max" : "Min", {scales, d.graph.add_constant("one", Tensor::scalar<float>(1))});
  std::vector<float> kept;
  for (int64_t i = 0; i < scales->constant.elements(); ++i) {
    const float scale = scales->constant.at<float>(i);
    kept.push_back((scale > 1) == enlarging ? scale : 1);
  }
  return d.graph.add_constant("scales", Tensor::of<float>({static_cast<int64_t>(kept.size())}, kept));
}

/// Does any axis grow, does any shrink? Both where the scales are not known yet.
std::pair<bool, bool> grows_and_shrinks(const Value* scales) {
  if (!scales->is_constant()) return {true, true};
  bool grows = false, shrinks = false;
  for (double scale : scales->constant.to_doubles()) {
    grows |= scale > 1;
    shrinks |= scale < 1;
  }
  return {grows, shrinks};
}

// Opset 10's Resize(X, scales) and Upsample sample at x / scale without half-pixel shift. The nearest element is the
// one before along axes that grow and the one after along axes that shrink (the standard's own example of opset 10
// reduces 1 2 3 4 by 0.6 to 1 3): two steps, where there are both.
void resize_asymmetric(Draft& d) {
  Value* scales = d.input(1);
  if (const auto* list = d.attr<std::vector<float>>("scales")) {  // Upsample 7
    scales = d.graph.add_constant("scales", Tensor::of<float>({static_cast<int64_t>(list->size())}, *list));
    d.attrs.erase("scales");
  }
  if (scales == nullptr) fail_input("the scales are missing");
  d.op = "Resize";
  d.attrs.set("coordinate_transformation_mode", std::string("asymmetric"));
  d.attrs.set("nearest_mode", std::string("floor"));
  Value* x = d.input(0);
  const std::string* mode = d.attr<std::string>("mode");
  if (mode == nullptr || *mode == "nearest") {
    const auto [grows, shrinks] = grows_and_shrinks(scales);
    if (grows && shrinks) {
      x = d.add("Resize", {x, nullptr, scales_beyond_one(d, scales, true)}, d.attrs);
      scales = scales_beyond_one(d, scales, false);
    }
    if (shrinks) d.attrs.set("nearest_mode", std::string("ceil"));
  }
  d.inputs = {x, nullptr, scales};
}

void resize(Draft& d) {
  if (d.opset < 11) resize_asymmetric(d);
}

void scatter(Draft& d) { d.op = "ScatterElements"; }

// Until opset 20 the modes were named for two axes.
void grid_sample(Draft& d) {
  const std::string* mode = d.attr<std::string>("mode");
  if (mode == nullptr) return;
  if (*mode == "bilinear") d.attrs.set("mode", std::string("linear"));
  else if (*mode == "bicubic") d.attrs.set("mode", std::string("cubic"));
}

// Until opset 16 regions were not moved by half a pixel.
void roi_align(Draft& d) {
  if (d.opset < 16) d.attrs.set("coordinate_transformation_mode", std::string("output_half_pixel"));
}

}  // namespace

Rules shape_rules() {
  return {{"Constant", constant},
          {"Squeeze", squeeze},
          {"Unsqueeze", squeeze},
          {"Split", split},
          {"Slice", slice},
          {"Pad", pad},
          {"Upsample", resize_asymmetric},
          {"Resize", resize},
          {"Scatter", scatter},
          {"RoiAlign", roi_align},
          {"GridSample", grid_sample}};
}

}  // namespace tercel::onnx

#include "base/error.h"
#include "onnx/translate.h"

namespace tercel::onnx {
namespace {

void batch_normalization(Draft& d) {
  if (const int64_t* spatial = d.attr<int64_t>("spatial")) {  // opset 7
    if (*spatial == 0) fail_unsupported("statistics per element (spatial = 0)");
    d.attrs.erase("spatial");
  }
  // Until opset 14 further outputs were declared for training and left unused at inference.
  while (d.outputs.size() > 1 && (d.outputs.back() == nullptr || (d.opset < 14 && d.outputs.back()->users.empty())))
    d.outputs.pop_back();
}

// Until opset 21 scale and bias were per group.
void group_normalization(Draft& d) {
  const int64_t* groups = d.attr<int64_t>("num_groups");
  if (d.opset >= 21 || groups == nullptr || d.input(0) == nullptr) return;
  const ValueType& x = d.input(0)->type;
  const int64_t channels = x.ranked && x.dims.size() > 1 ? x.dims[1] : kUnknown;
  for (size_t place : {size_t{1}, size_t{2}}) {
    const Value* of_group = d.input(place);
    if (of_group == nullptr || !of_group->is_constant() || of_group->constant.dtype() != DType::f32 || *groups < 1 ||
        of_group->constant.elements() != *groups || channels < *groups || channels % *groups != 0)
      fail_unsupported("scale and bias per group (before opset 21) that are no f32 constants, or channels not known");
    std::vector<float> spread(static_cast<size_t>(channels));
    for (int64_t c = 0; c < channels; ++c)
      spread[static_cast<size_t>(c)] = of_group->constant.at<float>(c / (channels / *groups));
    d.set_input(place, d.graph.add_constant(of_group->name, Tensor::of<float>({channels}, spread)));
  }
}

}  // namespace

Rules norm_rules() {
  return {{"BatchNormalization", batch_normalization}, {"GroupNormalization", group_normalization}};
}

}  // namespace tercel::onnx

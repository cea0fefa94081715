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

}  // namespace

Rules norm_rules() { return {{"BatchNormalization", batch_normalization}}; }

}  // namespace tercel::onnx

#include "base/error.h"
#include "onnx/translate.h"

namespace tercel::onnx {
namespace {

// Attributes that only mean something for block-wise or 8-bit-float quantization.
void quantize(Draft& d) {
  if (const int64_t* block = d.attr<int64_t>("block_size"); block != nullptr && *block != 0)
    fail_unsupported("attribute 'block_size': quantization in blocks");
  if (const int64_t* output = d.attr<int64_t>("output_dtype");
      output != nullptr && *output != 0 && d.input(2) == nullptr)
    fail_unsupported("attribute 'output_dtype' without a zero point");
  for (const char* key : {"saturate", "block_size", "output_dtype"}) d.attrs.erase(key);
}

}  // namespace

Rules quant_rules() { return {{"QuantizeLinear", quantize}, {"DequantizeLinear", quantize}}; }

}  // namespace tercel::onnx

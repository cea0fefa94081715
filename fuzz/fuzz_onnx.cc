// Any bytes as an ONNX model: read, infer, fold, print; whatever is refused must be refused by an Error.
// Seeds: models/*.onnx and the small models of the ONNX node tests.

#include <cstring>
#include <memory>
#include <vector>

#include "graph/text.h"
#include "graph/verify.h"
#include "onnx/reader.h"
#include "onnx/writer.h"
#include "tercel/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto owner = std::make_shared<std::vector<uint8_t>>(data, data + size);
  try {
    const tercel::onnx::ReadResult result = tercel::onnx::read_model(std::as_bytes(std::span(*owner)), owner);
    tercel::verify(result.graph, "reading");
    tercel::print(result.graph, {64});
    // What was read can be written, and reads back as the same graph.
    const std::string bytes = tercel::onnx::write_model(result.graph);
    auto again = std::make_shared<std::string>(bytes);
    tercel::onnx::read_model(std::as_bytes(std::span(*again)), again);
  } catch (const tercel::Error&) {
  }
  return 0;
}

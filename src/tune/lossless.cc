#include "tune/lossless.h"

#include <map>

#include "base/error.h"
#include "onnx/writer.h"
#include "pack/pack.h"
#include "session/model_impl.h"

namespace tercel::inline tune {

codec::Profile coding(CodingProfile profile) {
  switch (profile) {
    case CodingProfile::max: return codec::Profile::max;
    case CodingProfile::balanced: return codec::Profile::balanced;
    case CodingProfile::fast: break;
  }
  return codec::Profile::fast;
}

Given given_of(const Model& model) {
  const Model::Impl& impl = model.impl();
  if (impl.onnx_bytes > 0) return {impl.onnx_bytes, model.parameters()};
  // The size of a model whose constants refer to a file, plus their elements: right within some bytes per constant.
  int64_t bytes = static_cast<int64_t>(onnx::write_model(
                                           impl.graph, [](const Value&) { return "x"; }, onnx::OwnOperators::alone)
                                           .size());
  for (const auto& value : impl.graph.values())
    if (value->is_constant()) bytes += static_cast<int64_t>(value->constant.bytes());
  return {bytes, model.parameters()};
}

std::string lossless_file(const Model& model, CodingProfile profile) {
  const Model::Impl& impl = model.impl();
  if (!impl.packed.bytes.empty()) {
    const auto bytes = impl.packed.bytes;
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::map<std::string, pack::Coding> codings;
  for (const auto& value : impl.graph.values())
    if (value->is_constant()) codings[value->name] = pack::Lossless{};
  return pack::write(impl.graph, codings, codec::file_options(coding(profile)));
}

void check_smaller(int64_t file_bytes, const Given& given) {
  if (file_bytes > given.bytes)
    fail_unsupported("the model has {} bytes and its .tercel file would have {}: it cannot be made smaller",
                     given.bytes, file_bytes);
}

}  // namespace tercel::inline tune

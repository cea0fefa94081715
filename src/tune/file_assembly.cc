#include "tune/file_assembly.h"

#include <map>

#include "pack/pack.h"
#include "session/model_impl.h"
#include "tune/lossless.h"

namespace tercel::inline tune {

std::string assemble_file(const Model& optimized, const Compressor& compressor, const Coded& coded,
                          CodingProfile profile) {
  std::map<std::string, pack::Coding> codings;
  for (const auto& value : optimized.impl().graph.values())
    if (value->is_constant()) codings[value->name] = pack::Lossless{};
  for (size_t i = 0; i < coded.parts.size(); ++i) {
    const Part& part = compressor.parts()[i];
    if (coded.parts[i] == nullptr || coded.parts[i]->as_is) continue;
    codings[part.name] = pack::CodedMatrix{
        std::shared_ptr<const codec::QuantizedMatrix>(coded.parts[i], &coded.parts[i]->matrix), part.transposed};
  }
  size_t at = 0;
  for (size_t v = 0; v < coded.vectors.steps.size(); ++v) {
    const std::string& name = compressor.vectors()[v];
    const auto count = static_cast<size_t>(optimized.impl().graph.find_value(name)->constant.elements());
    const auto first = coded.vectors.levels.begin() + static_cast<std::ptrdiff_t>(at);
    codings[name] = pack::CodedVector{coded.vectors.steps[v], {first, first + static_cast<std::ptrdiff_t>(count)}};
    at += count;
  }
  return pack::write(optimized.impl().graph, codings, codec::file_options(coding(profile)));
}

Model read_back(const std::string& file, const Model& as) {
  onnx::ReadResult read = pack::read(std::as_bytes(std::span(file)));
  return Model(std::make_shared<Model::Impl>(
      Model::Impl{as.name(), std::move(read.graph), std::move(read.warnings), as.pass_log()}));
}

void count_bytes(CompressReport& report, const std::string& file) {
  const pack::Sizes sizes = pack::sizes(std::as_bytes(std::span(file)));
  report.graph_bytes = sizes.graph + sizes.directory;
  report.vector_bytes = sizes.vectors;
  report.matrix_bytes = sizes.matrices + sizes.lossless;
}

}  // namespace tercel::inline tune

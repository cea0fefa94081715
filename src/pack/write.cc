#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/error.h"
#include "codec/crc32.h"
#include "codec/syntax/fields.h"
#include "onnx/writer.h"
#include "pack/exact.h"
#include "pack/file_fields.h"
#include "pack/pack.h"
#include "pack/zstd.h"

namespace tercel::pack {
namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

struct Writer {
  const codec::EncodeOptions& options;
  std::vector<Record> records;
  std::vector<codec::KernelBasis> bases;
  std::vector<int32_t> vector_levels;
  std::string payload;
  bool other_types = false;  ///< than f32, in what records of older versions hold of f32 only

  int64_t append(const std::string& stream) {
    payload += stream;
    return static_cast<int64_t>(stream.size());
  }

  int64_t append_classes(const std::vector<uint8_t>& classes) {
    return classes.empty() ? 0 : append(codec::encode_bytes(std::as_bytes(std::span(classes))));
  }

  /// Each: false where the constant is smaller in the graph.
  bool add(const Tensor& constant, const CodedMatrix& coded) {
    const codec::QuantizedMatrix& matrix = *coded.matrix;
    TERCEL_CHECK(matrix.rows * matrix.columns == constant.elements() && is_float(constant.dtype()));
    other_types |= constant.dtype() != DType::f32;
    Record record;
    record.kind = RecordKind::matrix;
    record.transposed = coded.transposed;
    record.rows = matrix.rows;
    record.kernel_height = matrix.kernel_height;
    record.kernel_width = matrix.kernel_width;
    record.step = std::bit_cast<uint32_t>(matrix.step);
    record.row_class_bytes = append_classes(matrix.row_class);
    record.column_class_bytes = append_classes(matrix.column_class);
    if (matrix.basis != nullptr) {
      const auto at = std::find(bases.begin(), bases.end(), *matrix.basis);
      record.basis = 1 + (at - bases.begin());
      if (at == bases.end()) bases.push_back(*matrix.basis);
      record.coefficients = matrix.coefficients;
    }
    record.trellis = matrix.trellis;
    std::vector<uint8_t> classes;
    record.stream_bytes = append(codec::encode(matrix.levels, coding_shape(matrix, classes), options));
    records.push_back(record);
    return true;
  }

  bool add(const Tensor& constant, const CodedVector& coded) {
    TERCEL_CHECK(static_cast<int64_t>(coded.levels.size()) == constant.elements() && is_float(constant.dtype()));
    other_types |= constant.dtype() != DType::f32;
    Record record;
    record.kind = RecordKind::vector;
    record.step_code = coded.step;
    vector_levels.insert(vector_levels.end(), coded.levels.begin(), coded.levels.end());
    records.push_back(record);
    return true;
  }

  bool add(const Tensor& constant, const Lossless&) {
    const Exact exact = code_exactly(constant, options);
    if (exact.in_graph) return false;
    Record record;
    record.kind = exact.kind;
    record.stream_bytes = append(exact.stream);
    records.push_back(record);
    other_types |= exact.kind == RecordKind::integers || constant.dtype() != DType::f32;
    return true;
  }
};

}  // namespace

std::string write(const Graph& graph, const std::map<std::string, Coding>& codings,
                  const codec::EncodeOptions& options) {
  Writer writer{options, {}, {}, {}, {}};
  std::map<std::string, size_t> record_of;
  size_t found = 0;
  for (const auto& value : graph.values()) {
    const auto coding = codings.find(value->name);
    if (!value->is_constant() || coding == codings.end()) continue;
    const size_t index = writer.records.size();
    ++found;
    if (std::visit([&](const auto& coded) { return writer.add(value->constant, coded); }, coding->second))
      record_of[value->name] = index;
  }
  TERCEL_CHECK(found == codings.size(), "codings name constants that are not there");
  const auto elsewhere = [&](const Value& value) {
    const auto at = record_of.find(value.name);
    return at == record_of.end() ? std::string() : std::to_string(at->second);
  };
  const std::string graph_message = onnx::write_model(graph, elsewhere, onnx::OwnOperators::alone);
  std::string vectors;
  if (!writer.vector_levels.empty())
    vectors =
        codec::encode(writer.vector_levels, {1, static_cast<int64_t>(writer.vector_levels.size()), 1, 1, {}}, options);

  const bool any_trellis =
      std::any_of(writer.records.begin(), writer.records.end(), [](const Record& r) { return r.trellis != 0; });
  const uint8_t version = writer.other_types ? kTypesVersion : any_trellis ? kTrellisVersion : kVersion;
  std::string directory;
  codec::FieldWriter fields(directory);
  DirectoryHead directory_head{static_cast<int64_t>(writer.records.size()),
                               static_cast<int64_t>(writer.vector_levels.size()), static_cast<int64_t>(vectors.size()),
                               static_cast<int64_t>(writer.bases.size())};
  visit_directory_head(fields, directory_head, version);
  for (codec::KernelBasis& basis : writer.bases) visit_basis(fields, basis);
  for (Record& record : writer.records) visit_record(fields, record, version);

  const std::string packed_graph = zstd_compress(graph_message), packed_directory = zstd_compress(directory);
  if (static_cast<int64_t>(graph_message.size()) > kMaxGraphBytes)
    fail(ErrorCode::limit, "a graph of {} bytes without its weights is more than a file holds", graph_message.size());
  FileHead head{static_cast<int64_t>(packed_graph.size()), static_cast<int64_t>(graph_message.size()),
                static_cast<int64_t>(packed_directory.size()), static_cast<int64_t>(directory.size()),
                static_cast<int64_t>(vectors.size() + writer.payload.size())};
  std::string file(reinterpret_cast<const char*>(kMagic), sizeof(kMagic));
  file.push_back(static_cast<char>(version));
  codec::FieldWriter out(file);
  visit_file_head(out, head);
  uint32_t checksum =
      codec::crc32(as_bytes(packed_directory), codec::crc32(as_bytes(packed_graph), codec::crc32(as_bytes(file))));
  out.word("checksum", checksum);
  return file + packed_graph + packed_directory + vectors + writer.payload;
}

}  // namespace tercel::pack

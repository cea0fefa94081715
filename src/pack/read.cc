#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "codec/crc32.h"
#include "codec/syntax/fields.h"
#include "pack/exact.h"
#include "pack/file_fields.h"
#include "pack/pack.h"
#include "pack/zstd.h"
#include "tensor/element_source.h"
#include "tensor/narrow.h"

namespace tercel::pack {
namespace {

using Bytes = std::span<const std::byte>;

struct Entry {
  Record record;
  Bytes row_classes, column_classes, stream;
};

/// A file taken apart: every length checked against what there is.
struct Parts {
  uint8_t version = 0;
  std::string graph;
  DirectoryHead directory;
  std::vector<std::shared_ptr<const codec::KernelBasis>> bases;
  Bytes vectors;
  int64_t packed_directory_bytes = 0, packed_graph_bytes = 0;
  std::vector<Entry> entries;
};

Bytes take(Bytes& rest, int64_t size, std::string_view what) {
  if (size > static_cast<int64_t>(rest.size())) fail_input("{} needs {} bytes, {} are left", what, size, rest.size());
  const Bytes taken = rest.first(static_cast<size_t>(size));
  rest = rest.subspan(static_cast<size_t>(size));
  return taken;
}

Parts take_apart(Bytes file) {
  if (!is_packed(file)) fail_input("not a .tercel file");
  const Bytes all = file;
  file = file.subspan(sizeof(kMagic));
  const auto version = static_cast<uint8_t>(take(file, 1, "the version")[0]);
  if (version == 0 || version > kTypesVersion)
    fail_unsupported("a .tercel file of version {}; this Tercel reads up to {}", version, kTypesVersion);
  codec::FieldReader fields(file);
  FileHead head;
  visit_file_head(fields, head);
  const size_t head_size = all.size() - fields.rest().size();
  uint32_t checksum = 0;
  fields.word("checksum", checksum);
  Bytes rest = fields.rest();
  Parts parts;
  parts.version = version;
  const Bytes graph = take(rest, head.graph_bytes, "the graph");
  const Bytes directory = take(rest, head.directory_bytes, "the directory");
  if (codec::crc32(directory, codec::crc32(graph, codec::crc32(all.first(head_size)))) != checksum)
    fail_input("the file's head, graph or directory is damaged (checksum)");
  if (static_cast<int64_t>(rest.size()) != head.payload_bytes)
    fail_input("{} bytes of payload, {} were written: the file is cut short or has something behind it", rest.size(),
               head.payload_bytes);
  parts.packed_graph_bytes = head.graph_bytes;
  parts.packed_directory_bytes = head.directory_bytes;
  parts.graph = zstd_decompress(graph, head.graph_size);
  const std::string records = zstd_decompress(directory, head.directory_size);
  codec::FieldReader reader(std::as_bytes(std::span(records)));
  visit_directory_head(reader, parts.directory, version);
  for (int64_t i = 0; i < parts.directory.bases; ++i) {
    codec::KernelBasis basis;
    visit_basis(reader, basis);
    if (basis.size == 0) fail_input("a basis of size 0");
    parts.bases.push_back(std::make_shared<const codec::KernelBasis>(std::move(basis)));
  }
  parts.vectors = take(rest, parts.directory.vector_bytes, "the vectors");
  for (int64_t i = 0; i < parts.directory.records; ++i) {
    Entry entry;
    visit_record(reader, entry.record, version);
    if (entry.record.kind != RecordKind::vector) {
      entry.row_classes = take(rest, entry.record.row_class_bytes, "row classes");
      entry.column_classes = take(rest, entry.record.column_class_bytes, "column classes");
      entry.stream = take(rest, entry.record.stream_bytes, "a stream");
    }
    parts.entries.push_back(entry);
  }
  if (!reader.rest().empty() || !rest.empty()) fail_input("bytes behind the last record");
  return parts;
}

void check_expansion(int64_t elements, Bytes stream) {
  if (elements / codec::kMostLevelsPerByte > static_cast<int64_t>(stream.size()))
    fail_input("{} elements cannot come from {} bytes", elements, stream.size());
}

std::vector<uint8_t> read_classes(Bytes bytes, int64_t count) {
  if (bytes.empty()) return {};
  check_expansion(count, bytes);
  const std::vector<std::byte> decoded = codec::decode_bytes(bytes, static_cast<size_t>(count));
  std::vector<uint8_t> classes(decoded.size());
  std::memcpy(classes.data(), decoded.data(), decoded.size());
  for (uint8_t c : classes)
    if (c >= codec::kColumnClasses) fail_input("a class of {}, there are {}", c, codec::kColumnClasses);
  return classes;
}

/// rows x columns -> columns x rows, in tiles that stay in L1.
void transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  constexpr int64_t kTile = 32;
  parallel_for((rows + kTile - 1) / kTile, 4, [&](int64_t begin, int64_t end) {
    for (int64_t r0 = begin * kTile; r0 < std::min(end * kTile, rows); r0 += kTile)
      for (int64_t c0 = 0; c0 < columns; c0 += kTile)
        for (int64_t c = c0; c < std::min(c0 + kTile, columns); ++c)
          for (int64_t r = r0; r < std::min(r0 + kTile, rows); ++r) to[c * rows + r] = from[r * columns + c];
  });
}

void make_weights(const codec::QuantizedMatrix& head, std::span<float> coefficients) {
  if (head.basis == nullptr) return;
  const auto size = static_cast<size_t>(head.basis->size);
  parallel_for(static_cast<int64_t>(coefficients.size() / size), 4096, [&](int64_t begin, int64_t end) {
    codec::inverse_transform(
        *head.basis, coefficients.subspan(static_cast<size_t>(begin) * size, static_cast<size_t>(end - begin) * size));
  });
}

/// A matrix in its file.
struct Matrix {
  codec::QuantizedMatrix head;  ///< without levels
  Bytes stream;
  bool transposed = false;

  void check() const {
    std::vector<uint8_t> classes;
    codec::check(stream, coding_shape(head, classes));
  }

  /// No weight is larger, as far as the head tells: levels are those of the stream, which is decoded later.
  float bound() const {
    constexpr float kClasses = 3 * codec::kColumnClasses;  // of a row, a column and a coefficient
    const float coefficient = head.step * std::exp2(kClasses / 2 + 1) * static_cast<float>(codec::kMaxLevel);
    return head.basis == nullptr ? coefficient : coefficient * static_cast<float>(codec::KernelBasis::kMostSize);
  }

  void decode(DType dtype, std::byte* out) const {
    if (dtype == DType::f32) return decode(reinterpret_cast<float*>(out));
    std::vector<float> values(static_cast<size_t>(head.rows * head.columns));
    decode(values.data());
    narrow(values, dtype, out);
  }

  void decode(float* out) const {
    std::vector<uint8_t> classes;
    const codec::MatrixShape shape = coding_shape(head, classes);
    // Scales of what the stream calls rows and columns.
    std::vector<float> column_scale(static_cast<size_t>(shape.columns), head.step);
    for (size_t c = 0; c < shape.column_class.size(); ++c)
      column_scale[c] = head.step * codec::class_scale(head.step_class(static_cast<int64_t>(c) / head.columns,
                                                                       static_cast<int64_t>(c) % head.columns));
    const auto count = static_cast<size_t>(head.rows * head.columns);
    std::vector<float> rows_first(transposed ? count : 0);
    const std::span<float> weights(transposed ? rows_first.data() : out, count);
    codec::decode(stream, shape, {}, column_scale, weights, current_threads());
    make_weights(head, weights);
    if (transposed) transpose(rows_first.data(), head.rows, head.columns, out);
  }
};

class Decoder {
 public:
  Decoder(Parts& parts, std::shared_ptr<const void> owner) : parts_(parts), owner_(std::move(owner)) {
    if (!parts.vectors.empty() || parts.directory.vector_levels > 0) {
      check_expansion(parts.directory.vector_levels, parts.vectors);
      levels_.resize(static_cast<size_t>(parts.directory.vector_levels));
      at_place([] { return "vectors"; },
               [&] {
                 codec::decode(parts.vectors, {1, parts.directory.vector_levels, 1, 1, {}}, levels_, current_threads());
               });
    }
  }

  Tensor decode(std::string_view name, std::string_view location, DType dtype, const Dims& dims) {
    size_t index = 0;
    const auto result = std::from_chars(location.data(), location.data() + location.size(), index);
    if (result.ec != std::errc() || result.ptr != location.data() + location.size() || index != next_)
      fail_input("record '{}', wanted {}", location, next_);
    if (index >= parts_.entries.size()) fail_input("there is no record {}", index);
    ++next_;
    const Entry& entry = parts_.entries[index];
    const int64_t elements = count_elements(dims);
    check_type(entry.record.kind, dtype);
    switch (entry.record.kind) {
      case RecordKind::matrix: return matrix(entry, name, dtype, dims, elements);
      case RecordKind::vector: return vector(entry, dtype, dims, elements);
      case RecordKind::bytes: return bytes(entry, dtype, dims, elements);
      case RecordKind::integers: return integers(entry, dtype, dims, elements);
      case RecordKind::planes: break;
    }
    return planes(entry, dtype, dims, elements);
  }

  void check_all_read() const {
    if (next_ != parts_.entries.size() || next_level_ != levels_.size())
      fail_input("{} records, the graph asks for {}", parts_.entries.size(), next_);
  }

 private:
  void check_type(RecordKind kind, DType dtype) const {
    const bool levels = kind == RecordKind::matrix || kind == RecordKind::vector;
    const bool fits = kind == RecordKind::integers      ? dtype == DType::i8 || dtype == DType::u8
                      : parts_.version >= kTypesVersion ? !levels || is_float(dtype)
                                                        : kind == RecordKind::bytes || dtype == DType::f32;
    if (!fits) fail_input("elements so coded are not {}, as the graph says", to_string(dtype));
  }

  Tensor matrix(const Entry& entry, std::string_view name, DType dtype, const Dims& dims, int64_t elements) const {
    const Record& record = entry.record;
    const int64_t rows = record.rows, columns = rows > 0 ? elements / rows : 0;
    if (rows * columns != elements || rows < 0) fail_input("{} rows do not divide {} elements", rows, elements);
    const auto basis = basis_of(record);
    if (basis != nullptr && columns % basis->size != 0)
      fail_input("kernels of {} do not divide {} columns", basis->size, columns);
    check_expansion(elements, entry.stream);
    codec::QuantizedMatrix head{rows,
                                columns,
                                record.kernel_height,
                                record.kernel_width,
                                std::bit_cast<float>(record.step),
                                read_classes(entry.row_classes, rows),
                                read_classes(entry.column_classes, columns),
                                {},
                                basis,
                                record.coefficients,
                                record.trellis != 0};
    if (head.trellis && !head.row_class.empty()) fail_input("a trellis and classes of rows");
    if (!std::isfinite(head.step) || head.step <= 0) fail_input("a step of {}", head.step);
    Matrix matrix{std::move(head), entry.stream, record.transposed != 0};
    if (owner_ == nullptr) {
      Tensor tensor(dtype, dims);
      matrix.decode(dtype, tensor.mutable_data());
      return tensor;
    }
    matrix.check();
    const float bound = matrix.bound();
    const auto make = [matrix = std::move(matrix), name = std::string(name), dtype, owner = owner_](std::byte* out) {
      at_place([&] { return fmt::format("tensor '{}'", name); }, [&] { matrix.decode(dtype, out); });
    };
    const auto bytes = static_cast<size_t>(elements) * size_of(dtype);
    return {dtype, dims, std::make_shared<ElementSource>(bytes, make, bound)};
  }

  std::shared_ptr<const codec::KernelBasis> basis_of(const Record& record) const {
    if (record.basis == 0) return nullptr;
    if (record.basis > static_cast<int64_t>(parts_.bases.size()))
      fail_input("basis {}, there are {}", record.basis, parts_.bases.size());
    const auto& basis = parts_.bases[static_cast<size_t>(record.basis - 1)];
    if (record.kernel_height * record.kernel_width != basis->size)
      fail_input("a basis of {} for kernels of {}x{}", basis->size, record.kernel_height, record.kernel_width);
    return basis;
  }

  Tensor vector(const Entry& entry, DType dtype, const Dims& dims, int64_t elements) {
    if (elements > static_cast<int64_t>(levels_.size() - next_level_))
      fail_input("{} elements, {} levels of vectors are left", elements, levels_.size() - next_level_);
    const float step = codec::step_of(entry.record.step_code);
    std::vector<float> values;
    for (int64_t i = 0; i < elements; ++i) values.push_back(static_cast<float>(levels_[next_level_++]) * step);
    Tensor tensor(dtype, dims);
    narrow(values, dtype, tensor.mutable_data());
    return tensor;
  }

  static Tensor bytes(const Entry& entry, DType dtype, const Dims& dims, int64_t elements) {
    const size_t width = size_of(dtype);
    check_expansion(elements, entry.stream);
    Tensor tensor(dtype, dims);
    const std::vector<std::byte> planes = codec::decode_bytes(entry.stream, tensor.bytes());
    std::byte* out = tensor.mutable_data();
    const auto count = static_cast<size_t>(elements);
    for (size_t k = 0; k < width; ++k)
      for (size_t i = 0; i < count; ++i) out[i * width + k] = planes[k * count + i];
    return tensor;
  }

  static Tensor planes(const Entry& entry, DType dtype, const Dims& dims, int64_t elements) {
    check_expansion(elements, entry.stream);
    Tensor tensor(dtype, dims);
    codec::decode_elements(entry.stream, dtype, {tensor.mutable_data(), tensor.bytes()});
    return tensor;
  }

  static Tensor integers(const Entry& entry, DType dtype, const Dims& dims, int64_t elements) {
    check_expansion(elements, entry.stream);
    std::vector<int32_t> levels(static_cast<size_t>(elements));
    codec::decode(entry.stream, shape_of_integers(dims), levels, current_threads());
    Tensor tensor(dtype, dims);
    std::byte* out = tensor.mutable_data();
    const int32_t zero = zero_of_integers(dtype);
    for (size_t i = 0; i < levels.size(); ++i) {
      const int32_t value = levels[i] + zero;
      if (value < zero - 128 || value > zero + 127) fail_input("{} is no {}", value, to_string(dtype));
      out[i] = static_cast<std::byte>(value);
    }
    return tensor;
  }

  Parts& parts_;
  std::shared_ptr<const void> owner_;
  std::vector<int32_t> levels_;  // of all vectors
  size_t next_ = 0, next_level_ = 0;
};

}  // namespace

bool is_packed(std::span<const std::byte> bytes) {
  return bytes.size() >= sizeof(kMagic) && std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) == 0;
}

onnx::ReadResult read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  Parts parts = take_apart(bytes);
  Decoder decoder(parts, std::move(owner));
  auto graph = std::make_shared<const std::string>(std::move(parts.graph));
  onnx::ReadResult result =
      onnx::read_model(std::as_bytes(std::span(*graph)), graph,
                       [&](std::string_view name, std::string_view location, DType dtype, const Dims& dims) {
                         return decoder.decode(name, location, dtype, dims);
                       });
  decoder.check_all_read();
  return result;
}

Sizes sizes(std::span<const std::byte> bytes) {
  const Parts parts = take_apart(bytes);
  Sizes sizes;
  sizes.graph = parts.packed_graph_bytes;
  sizes.directory = parts.packed_directory_bytes;
  sizes.vectors = parts.directory.vector_bytes;
  for (const Entry& entry : parts.entries) {
    const int64_t all = entry.record.row_class_bytes + entry.record.column_class_bytes + entry.record.stream_bytes;
    (entry.record.kind == RecordKind::matrix ? sizes.matrices : sizes.lossless) += all;
  }
  return sizes;
}

}  // namespace tercel::pack

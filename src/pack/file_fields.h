// The fields of a `.tercel` file, each listed once (codec/syntax/fields.h has the visitors). docs/format.md has them in
// words.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "codec/codec.h"
#include "codec/quantized_matrix.h"

namespace tercel::pack {

/// Detects copies in text mode or over seven-bit channels, as PNG's signature does.
inline constexpr unsigned char kMagic[8] = {0x89, 'T', 'R', 'C', 'L', '\r', '\n', 0x1A};
/// Version 1 had no bases, 2 no pruned streams. 4 is written only for files with trellis-coded matrices, 5 only for
/// files with integers, or with levels or planes of other types than f32.
inline constexpr uint8_t kVersion = 3, kTrellisVersion = 4, kTypesVersion = 5;

inline constexpr int64_t kMaxGraphBytes = int64_t{256} << 20;
inline constexpr int64_t kMaxFileBytes = int64_t{1} << 46;
inline constexpr int64_t kMaxBases = int64_t{1} << 20, kMaxRecords = int64_t{1} << 20;

/// After the magic and the version byte. `checksum` is a CRC-32 of all head fields before it, the graph and the
/// directory; streams of the payload carry their own.
struct FileHead {
  int64_t graph_bytes = 0;      ///< as stored: a Zstandard frame
  int64_t graph_size = 0;       ///< of the ONNX message in it
  int64_t directory_bytes = 0;  ///< as stored: a Zstandard frame
  int64_t directory_size = 0;
  int64_t payload_bytes = 0;
};

template <typename Visitor>
void visit_file_head(Visitor& visit, FileHead& head) {
  visit.number("size of the packed graph", head.graph_bytes, kMaxGraphBytes);
  visit.number("size of the graph", head.graph_size, kMaxGraphBytes);
  visit.number("size of the packed directory", head.directory_bytes, kMaxGraphBytes);
  visit.number("size of the directory", head.directory_size, kMaxGraphBytes);
  visit.number("size of the payload", head.payload_bytes, kMaxFileBytes);
}

/// The directory starts with these.
struct DirectoryHead {
  int64_t records = 0;
  int64_t vector_levels = 0;  ///< of all vectors
  int64_t vector_bytes = 0;   ///< their stream, first in the payload
  int64_t bases = 0;          ///< that matrices share; they follow these fields
};

template <typename Visitor>
void visit_directory_head(Visitor& visit, DirectoryHead& head, uint8_t version) {
  visit.number("number of records", head.records, kMaxRecords);
  visit.number("number of vector elements", head.vector_levels, kMaxFileBytes);
  visit.number("size of the vector stream", head.vector_bytes, kMaxFileBytes);
  if (version >= 2) visit.number("number of bases", head.bases, kMaxBases);
}

template <typename Visitor>
void visit_basis(Visitor& visit, codec::KernelBasis& basis) {
  visit.number("size of a basis", basis.size, codec::KernelBasis::kMostSize);
  basis.entries.resize(static_cast<size_t>(basis.size * basis.size));
  for (int8_t& entry : basis.entries) visit.byte("entry of a basis", entry, 255);
}

enum class RecordKind : uint8_t {
  matrix,    ///< levels of its own stream
  vector,    ///< the next levels of the common stream of vectors
  bytes,     ///< elements of any type, every bit as it was: planes of bytes through codec::encode_bytes
  planes,    ///< the same through codec::encode_elements; before version 5 of f32 only
  integers,  ///< elements of 8 bits as levels: codec::encode
};

/// One constant. The graph holds its element type and extents. Streams follow each other in the payload in
/// the order of their sizes here.
struct Record {
  RecordKind kind = RecordKind::matrix;
  // matrix
  uint8_t transposed = 0;  ///< the constant holds columns x rows
  int64_t rows = 0, kernel_height = 1, kernel_width = 1;
  uint32_t step = 0;                                    ///< bits of an f32
  int64_t row_class_bytes = 0, column_class_bytes = 0;  ///< 0: all classes are 0
  int64_t basis = 0;                                    ///< 0: none; else 1 + its index
  std::vector<codec::Coefficient> coefficients;         ///< with a basis: one per position in the kernel
  uint8_t trellis = 0;
  // vector
  uint8_t step_code = 0;
  // matrix, bytes, planes, integers
  int64_t stream_bytes = 0;
};

template <typename Visitor>
void visit_record(Visitor& visit, Record& record, uint8_t version) {
  const RecordKind last = version >= kTypesVersion ? RecordKind::integers : RecordKind::planes;
  visit.byte("kind of record", record.kind, static_cast<uint8_t>(last));
  if (record.kind == RecordKind::vector) {
    visit.byte("step of a vector", record.step_code, 255);
    return;
  }
  if (record.kind == RecordKind::matrix) {
    visit.byte("transposed", record.transposed, 1);
    visit.number("rows", record.rows, kMaxFileBytes);
    visit.number("height of a kernel", record.kernel_height, kMaxFileBytes);
    visit.number("width of a kernel", record.kernel_width, kMaxFileBytes);
    visit.word("step", record.step);
    visit.number("size of the row classes", record.row_class_bytes, kMaxFileBytes);
    visit.number("size of the column classes", record.column_class_bytes, kMaxFileBytes);
    if (version >= 2) visit.number("basis", record.basis, kMaxBases);
    if (record.basis != 0) {
      if (record.kernel_height > codec::KernelBasis::kMostSize || record.kernel_width > codec::KernelBasis::kMostSize)
        fail_input("kernels of {}x{} have no basis", record.kernel_height, record.kernel_width);
      record.coefficients.resize(static_cast<size_t>(record.kernel_height * record.kernel_width));
      for (codec::Coefficient& of : record.coefficients) {
        visit.byte("step of a coefficient", of.step, codec::kColumnClasses - 1);
        visit.byte("magnitude of a coefficient", of.magnitude, codec::kColumnClasses - 1);
      }
    }
    if (version >= kTrellisVersion) visit.byte("trellis", record.trellis, 1);
  }
  visit.number("size of the stream", record.stream_bytes, kMaxFileBytes);
}

}  // namespace tercel::pack

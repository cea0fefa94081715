#include "pack/exact.h"

#include "pack/pack.h"
#include "pack/zstd.h"

namespace tercel::pack {
namespace {

constexpr size_t kSmallest = 64;                  // bytes; a record and its name in the graph take some twenty
constexpr int64_t kRecordBytes = 24;              // about
constexpr size_t kMostInGraph = size_t{1} << 24;  // graphs are limited (kMaxGraphBytes), and are read whole
constexpr int kQuick = 3;  // Zstandard's level for the comparison; the graph's own level is at least as good

std::vector<int32_t> levels_of(const Tensor& constant) {
  std::vector<int32_t> levels(static_cast<size_t>(constant.elements()));
  const std::byte* from = constant.data();
  for (size_t i = 0; i < levels.size(); ++i) {
    const auto byte = static_cast<uint8_t>(from[i]);
    levels[i] = constant.dtype() == DType::i8 ? static_cast<int8_t>(byte) : byte - zero_of_integers(DType::u8);
  }
  return levels;
}

}  // namespace

codec::MatrixShape shape_of_integers(const Dims& dims) {
  codec::MatrixShape shape{1, count_elements(dims), 1, 1, {}};
  if (dims.size() < 2 || shape.columns == 0) return shape;
  shape.rows = dims[0];
  shape.columns /= dims[0];
  if (dims.size() == 4) {
    shape.kernel_height = dims[2];
    shape.kernel_width = dims[3];
  }
  return shape;
}

int32_t zero_of_integers(DType dtype) { return dtype == DType::u8 ? 128 : 0; }

Exact code_exactly(const Tensor& constant, const codec::EncodeOptions& options) {
  Exact best;
  const size_t size = constant.bytes();
  const std::span<const std::byte> elements(constant.data(), size);
  if (size < kSmallest) {
    best.in_graph = true;
    best.bytes = static_cast<int64_t>(size);
    return best;
  }
  best.stream = codec::encode_elements(elements, constant.dtype());
  if (constant.dtype() == DType::i8 || constant.dtype() == DType::u8) {
    std::string levels = codec::encode(levels_of(constant), shape_of_integers(constant.dims()), options);
    if (levels.size() < best.stream.size()) {
      best.stream = std::move(levels);
      best.kind = RecordKind::integers;
    }
  }
  best.bytes = static_cast<int64_t>(best.stream.size()) + kRecordBytes;
  // Zstandard is smaller where elements repeat. Millions of zeros always go there: readers refuse so short a stream.
  const bool too_short = constant.elements() / codec::kMostLevelsPerByte >= static_cast<int64_t>(best.stream.size());
  const int64_t zstd_bytes = too_short || size <= kMostInGraph ? zstd_compressed_bytes(elements, kQuick) : best.bytes;
  if (too_short || zstd_bytes < best.bytes) return {true, RecordKind::planes, {}, zstd_bytes};
  return best;
}

int64_t lossless_bytes(const Tensor& constant, const codec::EncodeOptions& options) {
  return code_exactly(constant, options).bytes;
}

}  // namespace tercel::pack

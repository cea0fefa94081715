// Levels as plain integers: for tensors that do not compress.
#include "codec/level_encoder.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {
namespace {

/// Bytes that hold every one of the levels: 1, 2 or 4.
uint8_t raw_width(std::span<const int32_t> levels) {
  uint8_t width = 1;
  for (int32_t level : levels) {
    if (level != static_cast<int16_t>(level)) return 4;
    if (level != static_cast<int8_t>(level)) width = 2;
  }
  return width;
}

class RawEncoder final : public LevelEncoder {
 public:
  RawEncoder(std::span<const int32_t> levels, const MatrixShape& shape)
      : levels_(levels), shape_(shape), width_(raw_width(levels)) {}

  void fields(std::string& out) const override {
    FieldWriter write(out);
    uint8_t width = width_;
    visit_raw(write, width);
  }
  void chunk(const Chunk& chunk, std::string& out) const override {
    for (int64_t r = chunk.row; r < chunk.row + chunk.rows; ++r)
      for (int64_t c = chunk.column; c < chunk.column + chunk.columns; ++c)
        for (int i = 0; i < width_; ++i)
          out.push_back(static_cast<char>(levels_[static_cast<size_t>(r * shape_.columns + c)] >> (8 * i)));
  }

 private:
  std::span<const int32_t> levels_;
  const MatrixShape& shape_;
  uint8_t width_;
};

}  // namespace

std::unique_ptr<LevelEncoder> raw_encoder(std::span<const int32_t> levels, const MatrixShape& shape) {
  return std::make_unique<RawEncoder>(levels, shape);
}

}  // namespace tercel::codec

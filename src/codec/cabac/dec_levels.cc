#include "codec/cabac/dec_range.h"
#include "codec/cabac/model.h"
#include "codec/level_decoder.h"

namespace tercel::codec {
namespace {

class MaxDecoder final : public LevelDecoder {
 public:
  MaxDecoder(FieldReader& read, const MatrixShape& shape) : shape_(shape) {
    visit_start(read, start_, shape.kernel_height * shape.kernel_width > 1);
  }

  using LevelDecoder::decode;
  void decode(std::span<const std::byte> bytes, const Chunk& chunk, int32_t* dst, int64_t stride) const override {
    RangeDecoder bins(bytes);
    visit_chunk(
        bins, shape_, chunk, start_, [&](int64_t r) { return dst + r * stride; },
        [](int32_t& place, int32_t level) { place = level; });
  }

 private:
  const MatrixShape& shape_;
  LevelStart start_;
};

}  // namespace

std::unique_ptr<LevelDecoder> max_decoder(FieldReader& read, const MatrixShape& shape) {
  return std::make_unique<MaxDecoder>(read, shape);
}

}  // namespace tercel::codec

#include "codec/adaptive/model.h"
#include "codec/cabac/dec_range.h"
#include "codec/cabac/model.h"
#include "codec/level_decoder.h"

namespace tercel::codec {
namespace {

/// Coding is LevelCoding or TokenCoding.
template <typename Coding>
class AdaptiveDecoder final : public LevelDecoder {
 public:
  AdaptiveDecoder(FieldReader& read, const MatrixShape& shape) : shape_(shape) {
    visit_start(read, start_, shape.kernel_height * shape.kernel_width > 1);
  }

  using LevelDecoder::decode;
  void decode(std::span<const std::byte> bytes, const Chunk& chunk, int32_t* dst, int64_t stride) const override {
    RangeDecoder bins(bytes);
    typename Coding::Contexts contexts;
    visit_chunk(
        shape_, chunk, start_, [&](int64_t r) { return dst + r * stride; },
        [](int32_t& place, int32_t level) { place = level; },
        [&](const Expected& expected, int32_t) { return Coding::visit(bins, contexts, expected, 0); });
  }

 private:
  const MatrixShape& shape_;
  LevelStart start_;
};

}  // namespace

std::unique_ptr<LevelDecoder> max_decoder(FieldReader& read, const MatrixShape& shape) {
  return std::make_unique<AdaptiveDecoder<LevelCoding>>(read, shape);
}

std::unique_ptr<LevelDecoder> balanced_decoder(FieldReader& read, const MatrixShape& shape) {
  return std::make_unique<AdaptiveDecoder<TokenCoding>>(read, shape);
}

}  // namespace tercel::codec

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
    visit_context_init(read, start_, shape.kernel_height * shape.kernel_width > 1);
  }

  using LevelDecoder::decode;
  using LevelDecoder::decode_pair;
  void decode(const CodedChunk<int32_t>& coded) const override { decode_together(std::array{coded}); }
  bool pairs() const override { return Coding::kPairs; }
  void decode_pair(const std::array<CodedChunk<int32_t>, 2>& pair) const override {
    if constexpr (Coding::kPairs) decode_together(pair);
  }

 private:
  template <size_t kChunks>
  void decode_together(const std::array<CodedChunk<int32_t>, kChunks>& coded) const {
    decode_together(coded, std::make_index_sequence<kChunks>());
  }
  template <size_t kChunks, size_t... i>
  void decode_together(const std::array<CodedChunk<int32_t>, kChunks>& coded, std::index_sequence<i...>) const {
    std::array bins{RangeDecoder(coded[i].bytes)...};
    std::array<typename Coding::Contexts, kChunks> contexts;
    visit_chunks<Coding::kTrellis>(
        shape_, std::array{coded[i].chunk...}, start_,
        [&](size_t k, int64_t r) { return coded[k].dst + r * coded[k].stride; },
        [](int32_t& slot, int32_t level) { slot = level; },
        [&](size_t k, const Expected& expected, int32_t) { return Coding::visit(bins[k], contexts[k], expected, 0); });
  }

  const MatrixShape& shape_;
  ContextInit start_;
};

}  // namespace

std::unique_ptr<LevelDecoder> max_decoder(FieldReader& read, const MatrixShape& shape) {
  if constexpr (kHasTrellis)
    if (shape.trellis) return std::make_unique<AdaptiveDecoder<LevelCoding<true>>>(read, shape);
  return std::make_unique<AdaptiveDecoder<LevelCoding<false>>>(read, shape);
}

std::unique_ptr<LevelDecoder> balanced_decoder(FieldReader& read, const MatrixShape& shape) {
  return std::make_unique<AdaptiveDecoder<TokenCoding>>(read, shape);
}

}  // namespace tercel::codec

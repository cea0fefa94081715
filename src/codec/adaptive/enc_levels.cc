#include "codec/adaptive/model.h"
#include "codec/cabac/enc_range.h"
#include "codec/cabac/model.h"
#include "codec/level_encoder.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {
namespace {

/// Coding is LevelCoding or TokenCoding.
template <typename Coding>
class AdaptiveEncoder final : public LevelEncoder {
 public:
  AdaptiveEncoder(std::span<const int32_t> levels, const MatrixShape& shape)
      : levels_(levels), shape_(shape), start_(fit_context_init(levels, shape)) {}

  void fields(std::string& out) const override {
    FieldWriter write(out);
    ContextInit start = start_;
    visit_context_init(write, start, shape_.kernel_height * shape_.kernel_width > 1);
  }
  void chunk(const Chunk& chunk, std::string& out) const override {
    RangeEncoder bins(out);
    typename Coding::Contexts contexts;
    visit_chunks<Coding::kTrellis>(
        shape_, std::array{chunk}, start_,
        [&](size_t, int64_t r) { return levels_.data() + (chunk.row + r) * shape_.columns + chunk.column; },
        [](const int32_t&, int32_t) {},
        [&](size_t, const Expected& expected, int32_t level) {
          return Coding::visit(bins, contexts, expected, level);
        });
    bins.finish();
  }

 private:
  std::span<const int32_t> levels_;
  const MatrixShape& shape_;
  ContextInit start_;
};

}  // namespace

std::unique_ptr<LevelEncoder> max_encoder(std::span<const int32_t> levels, const MatrixShape& shape) {
  if constexpr (kHasTrellis)
    if (shape.trellis) return std::make_unique<AdaptiveEncoder<LevelCoding<true>>>(levels, shape);
  return std::make_unique<AdaptiveEncoder<LevelCoding<false>>>(levels, shape);
}

std::unique_ptr<LevelEncoder> balanced_encoder(std::span<const int32_t> levels, const MatrixShape& shape) {
  return std::make_unique<AdaptiveEncoder<TokenCoding>>(levels, shape);
}

}  // namespace tercel::codec

#include "base/bits.h"
#include "base/error.h"
#include "codec/level_decoder.h"

namespace tercel::codec {
namespace {

class RawDecoder final : public LevelDecoder {
 public:
  explicit RawDecoder(FieldReader& read) {
    visit_raw(read, width_);
    if (width_ != 1 && width_ != 2 && width_ != 4) fail_input("levels of {} bytes", width_);
  }

  using LevelDecoder::decode;
  void decode(const CodedChunk<int32_t>& coded) const override {
    const auto& [bytes, chunk, dst, stride] = coded;
    const auto levels = static_cast<size_t>(chunk.rows * chunk.columns);
    if (bytes.size() != levels * width_) fail_input("{} bytes for {} levels of {}", bytes.size(), levels, width_);
    const std::byte* next = bytes.data();
    for (int64_t r = 0; r < chunk.rows; ++r)
      for (int64_t c = 0; c < chunk.columns; ++c, next += width_)
        dst[r * stride + c] = width_ == 1   ? load_unaligned<int8_t>(next)
                              : width_ == 2 ? load_unaligned<int16_t>(next)
                                            : load_unaligned<int32_t>(next);
  }

 private:
  uint8_t width_ = 1;
};

}  // namespace

std::unique_ptr<LevelDecoder> raw_decoder(FieldReader& read, const MatrixShape&) {
  return std::make_unique<RawDecoder>(read);
}

}  // namespace tercel::codec

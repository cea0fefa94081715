#include "codec/cabac/dec_chunk.h"

#include "codec/cabac/dec_range.h"
#include "codec/cabac/model.h"

namespace tercel::codec {

void decode_cabac(std::span<const std::byte> bytes, const MatrixShape& shape, const Chunk& chunk, int32_t* dst,
                  int64_t stride) {
  RangeDecoder bins(bytes);
  visit_chunk(bins, shape, chunk, [&](int64_t r, int64_t c) -> int32_t& { return dst[r * stride + c]; });
}

}  // namespace tercel::codec

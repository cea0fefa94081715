#include "codec/cabac/enc_chunk.h"

#include "codec/cabac/enc_range.h"
#include "codec/cabac/model.h"

namespace tercel::codec {

void encode_cabac(std::span<const int32_t> levels, const MatrixShape& shape, const Chunk& chunk, std::string& out) {
  RangeEncoder bins(out);
  visit_chunk(bins, shape, chunk, [&](int64_t r, int64_t c) -> int32_t {
    return levels[static_cast<size_t>((chunk.row + r) * shape.columns + chunk.column + c)];
  });
  bins.finish();
}

}  // namespace tercel::codec

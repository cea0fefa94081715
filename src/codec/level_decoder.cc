// Decoding to floats by way of integers, for profiles that know no better.
#include "codec/level_decoder.h"

namespace tercel::codec {
namespace {

/// The chunk again, its levels to go to `own`.
CodedChunk<int32_t> as_integers(const CodedChunk<float>& coded, std::vector<int32_t>& own) {
  own.resize(static_cast<size_t>(coded.chunk.rows * coded.chunk.columns));
  return {coded.bytes, coded.chunk, own.data(), coded.chunk.columns};
}

void to_floats(const CodedChunk<int32_t>& from, const CodedChunk<float>& to) {
  for (int64_t r = 0; r < from.chunk.rows; ++r)
    for (int64_t c = 0; c < from.chunk.columns; ++c)
      to.dst[r * to.stride + c] = static_cast<float>(from.dst[r * from.stride + c]);
}

}  // namespace

void LevelDecoder::decode(const CodedChunk<float>& coded) const {
  std::vector<int32_t> levels;
  const CodedChunk<int32_t> integers = as_integers(coded, levels);
  decode(integers);
  to_floats(integers, coded);
}

void LevelDecoder::decode_pair(const std::array<CodedChunk<float>, 2>& pair) const {
  std::array<std::vector<int32_t>, 2> levels;
  const std::array integers{as_integers(pair[0], levels[0]), as_integers(pair[1], levels[1])};
  decode_pair(integers);
  for (size_t i = 0; i < 2; ++i) to_floats(integers[i], pair[i]);
}

}  // namespace tercel::codec

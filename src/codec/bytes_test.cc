#include <gmock/gmock.h>

#include <bit>

#include "base/error.h"
#include "base/rng.h"
#include "codec/codec.h"

namespace tercel::codec {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// Bytes of a few values, the less often the larger; `spread` 256 makes all alike.
std::vector<std::byte> random_plane(size_t size, int64_t spread, uint64_t seed) {
  Rng rng(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& b : bytes)
    b = static_cast<std::byte>(spread == 256 ? rng.below(256) : rng.below(rng.below(spread) + 1));
  return bytes;
}

TEST(Bytes, ComeBack) {
  for (size_t size : {0, 1, 2, 31, 1023, 1024, 1025, 16384, 50000})
    for (int64_t spread : {1, 2, 7, 200, 256}) {
      const auto bytes = random_plane(size, spread, size + 1);
      const std::string stream = encode_bytes(bytes);
      EXPECT_EQ(decode_bytes(bytes_of(stream), size), bytes) << size << " bytes, spread " << spread;
      EXPECT_LE(stream.size(), size + 5);
      if (size > 1000 && spread < 8) {
        EXPECT_LT(stream.size(), size / 2);
      }
    }
}

TEST(Bytes, DamageIsAnError) {
  for (int64_t spread : {7, 256}) {
    const auto bytes = random_plane(300, spread, 2);
    const std::string stream = encode_bytes(bytes);
    for (size_t cut = 0; cut < stream.size(); ++cut)
      EXPECT_THROW(decode_bytes(bytes_of(stream).first(cut), bytes.size()), Error) << cut;
    for (size_t bit = 0; bit < stream.size() * 8; ++bit) {
      std::string bad = stream;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      EXPECT_THROW(decode_bytes(bytes_of(bad), bytes.size()), Error) << bit;
    }
    EXPECT_THROW(decode_bytes(bytes_of(stream), bytes.size() + 1), Error);
    EXPECT_THROW(decode_bytes(bytes_of(stream), bytes.size() - 1), Error);
  }
}

/// Bits, so that NaN payloads count.
std::vector<uint32_t> bits_of(std::span<const float> values) {
  std::vector<uint32_t> bits;
  for (float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

TEST(Floats, ComeBackBitForBit) {
  Rng rng(1);
  for (size_t count : {0, 1, 7, 5000}) {
    std::vector<float> any(count), weights(count), back(count);
    for (float& value : any) value = std::bit_cast<float>(static_cast<uint32_t>(rng.next()));
    for (float& value : weights) value = static_cast<float>(rng.normal() * 0.02);
    for (const auto& values : {any, weights}) {
      const std::string stream = encode_floats(values);
      decode_floats(bytes_of(stream), back);
      EXPECT_EQ(bits_of(back), bits_of(values));
    }
    if (count == 5000) {
      EXPECT_LT(encode_floats(weights).size(), 4 * count * 9 / 10);
    }
  }
  const uint32_t special[] = {0x7FC00001, 0xFFA5A5A5, 0x7F800001, 0x80000000, 0x7F800000, 1, 0x807FFFFF};
  std::vector<float> values, back(std::size(special));
  for (uint32_t bits : special) values.push_back(std::bit_cast<float>(bits));
  decode_floats(bytes_of(encode_floats(values)), back);
  EXPECT_EQ(bits_of(back), std::vector<uint32_t>(std::begin(special), std::end(special)));
}

TEST(Floats, DamageIsAnError) {
  std::vector<float> values(60, 1.5f);
  for (size_t i = 0; i < values.size(); ++i) values[i] += static_cast<float>(i);
  const std::string stream = encode_floats(values);
  for (size_t cut = 0; cut < stream.size(); ++cut)
    EXPECT_THROW(decode_floats(bytes_of(stream).first(cut), values), Error) << cut;
  for (size_t bit = 0; bit < stream.size() * 8; ++bit) {
    std::string bad = stream;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_THROW(decode_floats(bytes_of(bad), values), Error) << bit;
  }
  EXPECT_THROW(decode_floats(bytes_of(stream + '\0'), values), Error);
}

}  // namespace
}  // namespace tercel::codec

#include <cstring>

#include "image/decode.h"
#include "image/picture_testing.h"

#if TERCEL_HAVE_WEBP
#include <webp/encode.h>
#endif

namespace tercel {
namespace {

using namespace testing;

#if TERCEL_HAVE_WEBP

enum class Webp { lossy, lossless, lossy_alpha, lossless_alpha };

File encode(const Image& image, Webp kind) {
  std::vector<uint8_t> rgba;
  const std::vector<uint8_t> rgb = levels(image);
  for (size_t i = 0; i < rgb.size(); i += 3) {
    rgba.insert(rgba.end(), &rgb[i], &rgb[i] + 3);
    rgba.push_back(static_cast<uint8_t>(1 + i % 255));  // libwebp clears colours under an alpha of 0
  }
  const int w = image.width(), h = image.height();
  uint8_t* data = nullptr;
  size_t size = 0;
  switch (kind) {
    case Webp::lossy: size = WebPEncodeRGB(rgb.data(), w, h, w * 3, 95, &data); break;
    case Webp::lossless: size = WebPEncodeLosslessRGB(rgb.data(), w, h, w * 3, &data); break;
    case Webp::lossy_alpha: size = WebPEncodeRGBA(rgba.data(), w, h, w * 4, 95, &data); break;
    case Webp::lossless_alpha: size = WebPEncodeLosslessRGBA(rgba.data(), w, h, w * 4, &data); break;
  }
  const auto bytes = std::as_bytes(std::span(data, size));
  File file(bytes.begin(), bytes.end());
  WebPFree(data);
  return file;
}

TEST(DecodeWebp, Lossless) {
  for (const Webp kind : {Webp::lossless, Webp::lossless_alpha}) {
    EXPECT_EQ(largest_difference(Image::decode(encode(ramps(23, 14), kind)), ramps(23, 14)), 0);
    EXPECT_EQ(largest_difference(Image::decode(encode(ramps(1, 1), kind)), ramps(1, 1)), 0);
  }
}

TEST(DecodeWebp, Lossy) {
  for (const Webp kind : {Webp::lossy, Webp::lossy_alpha})
    EXPECT_LE(largest_difference(Image::decode(encode(slopes(48, 32), kind)), slopes(48, 32)), 12);
}

TEST(DecodeWebp, CutShort) {
  for (const Webp kind : {Webp::lossy, Webp::lossless, Webp::lossy_alpha, Webp::lossless_alpha})
    expect_refused_when_cut(encode(ramps(23, 14), kind));
}

TEST(DecodeWebp, ChangedBytes) {
  expect_survives_changes(encode(ramps(12, 9), Webp::lossy));
  expect_survives_changes(encode(ramps(12, 9), Webp::lossless));
}

#else

TEST(DecodeWebp, BuiltWithout) {
  File file(64);
  std::memcpy(file.data(), "RIFF\0\0\0\0WEBP", 12);
  EXPECT_NE(error_of([&] { Image::decode(file); }).find("built without WebP"), std::string::npos);
}

#endif

}  // namespace
}  // namespace tercel

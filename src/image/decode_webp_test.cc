#include <cstring>

#include "image/decode.h"
#include "image/picture_testing.h"

#if TERCEL_HAVE_WEBP
#include <webp/encode.h>
#endif

namespace tercel::inline image {
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

/// The extended form of a simple file: a header that announces the chunk, the pixels, the chunk (odd in length).
File with_exif(const File& simple, int width, int height, std::vector<uint8_t> note) {
  std::vector<uint8_t> out{'R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'E', 'B', 'P'};
  const auto put = [&](std::string_view name, std::vector<uint8_t> body) {
    out.insert(out.end(), name.begin(), name.end());
    for (size_t i = 0; i < 4; ++i) out.push_back(static_cast<uint8_t>(body.size() >> (8 * i)));
    if (body.size() % 2 == 1) body.push_back(0);
    out.insert(out.end(), body.begin(), body.end());
  };
  put("VP8X", {8, 0, 0, 0, static_cast<uint8_t>(width - 1), 0, 0, static_cast<uint8_t>(height - 1), 0, 0});
  for (size_t i = 12; i < simple.size(); ++i) out.push_back(std::to_integer<uint8_t>(simple[i]));
  note.push_back(0);
  put("EXIF", std::move(note));
  for (size_t i = 0; i < 4; ++i) out[4 + i] = static_cast<uint8_t>((out.size() - 8) >> (8 * i));
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

TEST(DecodeWebp, TurnedAsExifSays) {
  const Image stored = ramps(7, 4);
  for (const auto& note : {exif(6), exif_segment(6, ExifForm::big_long)}) {
    const File file = with_exif(encode(stored, Webp::lossless), 7, 4, note);
    const Image seen = Image::decode(file);
    ASSERT_EQ(seen.width(), 4);
    ASSERT_EQ(seen.height(), 7);
    for (int y = 0; y < 7; ++y)
      for (int x = 0; x < 4; ++x) EXPECT_EQ(seen.row(y)[x * 3], stored.row(3 - x)[y * 3]) << x << "," << y;
    expect_survives_changes(file);
  }
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
}  // namespace tercel::inline image

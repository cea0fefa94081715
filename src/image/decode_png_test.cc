#include <png.h>

#include "image/decode.h"
#include "image/picture_testing.h"

namespace tercel::inline image {
namespace {

using namespace testing;

struct Png {
  int colour_type = PNG_COLOR_TYPE_RGB;
  int depth = 8;
  bool interlaced = false;
  std::vector<png_color> palette;
  bool transparent = false;   ///< with a tRNS chunk
  std::vector<uint8_t> exif;  ///< with an eXIf chunk
};

/// `rows`: packed as PNG packs them, 16-bit samples big-endian.
File encode(const std::vector<uint8_t>& rows, int width, int height, const Png& how) {
  File file;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &file,
      [](png_structp p, png_bytep data, size_t size) {
        const auto bytes = std::as_bytes(std::span(data, size));
        auto& to = *static_cast<File*>(png_get_io_ptr(p));
        to.insert(to.end(), bytes.begin(), bytes.end());
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), how.depth, how.colour_type,
               how.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!how.palette.empty()) png_set_PLTE(png, info, how.palette.data(), static_cast<int>(how.palette.size()));
  if (how.transparent) {
    const png_byte alphas[2] = {0, 128};
    const png_color_16 colour{.index = 0, .red = 1, .green = 2, .blue = 3, .gray = 1};
    png_set_tRNS(png, info, alphas, how.palette.empty() ? 0 : 2, &colour);
  }
  std::vector<uint8_t> note = how.exif;
  if (!note.empty()) png_set_eXIf_1(png, info, static_cast<png_uint_32>(note.size()), note.data());
  png_write_info(png, info);
  const size_t row_bytes = png_get_rowbytes(png, info);
  const int passes = png_set_interlace_handling(png);
  for (int pass = 0; pass < passes; ++pass)
    for (int y = 0; y < height; ++y)
      png_write_row(png, rows.data() + static_cast<ptrdiff_t>(row_bytes) * static_cast<ptrdiff_t>(y));
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return file;
}

/// Samples channel by channel from `sample(x, y, channel)`; `depth` 8 or 16.
template <typename Sample>
File encode_samples(int width, int height, int channels, Png how, const Sample& sample) {
  std::vector<uint8_t> rows;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) {
        const int value = sample(x, y, c);
        if (how.depth == 16) rows.push_back(static_cast<uint8_t>(value >> 8));
        rows.push_back(static_cast<uint8_t>(value));
      }
  return encode(rows, width, height, how);
}

int ramp(int x, int y, int c) { return (x * 7 + y * 13 + c * 29) % 256; }

TEST(DecodePng, TurnedAsExifSays) {
  const Image image = ramps(5, 3);
  const Image upright = Image::decode(encode(levels(image), 5, 3, {}));
  for (const ExifForm form : {ExifForm::little, ExifForm::big_long}) {
    const Image seen = Image::decode(encode(levels(image), 5, 3, {.exif = exif(6, form)}));
    ASSERT_EQ(seen.width(), 3);
    ASSERT_EQ(seen.height(), 5);
    for (int y = 0; y < 5; ++y)  // stored columns from the bottom up are the rows
      for (int x = 0; x < 3; ++x) EXPECT_EQ(seen.row(y)[x * 3], upright.row(2 - x)[y * 3]) << x << "," << y;
  }
  for (size_t size = 1; size < 26; ++size) {
    std::vector<uint8_t> cut = exif(6);
    cut.resize(size);
    EXPECT_NO_THROW(Image::decode(encode(levels(image), 5, 3, {.exif = cut}))) << size;
  }
  expect_survives_changes(encode(levels(image), 5, 3, {.exif = exif(6)}));
}

TEST(DecodePng, Rgb) {
  for (const bool interlaced : {false, true})
    for (const bool transparent : {false, true}) {
      const Png how{.interlaced = interlaced, .transparent = transparent};
      const File file = encode_samples(13, 9, 3, how, ramp);
      EXPECT_EQ(largest_difference(Image::decode(file), ramps(13, 9)), 0);
      EXPECT_EQ(probe(file).width, 13);
    }
}

TEST(DecodePng, AlphaIsDroppedAndColoursKept) {
  const File file = encode_samples(13, 9, 4, {.colour_type = PNG_COLOR_TYPE_RGBA},
                                   [](int x, int y, int c) { return c == 3 ? x * 10 : ramp(x, y, c); });
  EXPECT_EQ(largest_difference(Image::decode(file), ramps(13, 9)), 0);
}

TEST(DecodePng, Grey) {
  const Image expected = picture(13, 9, [](int x, int y, int) { return ramp(x, y, 0); });
  for (const bool transparent : {false, true}) {
    const Png how{.colour_type = PNG_COLOR_TYPE_GRAY, .transparent = transparent};
    EXPECT_EQ(largest_difference(Image::decode(encode_samples(13, 9, 1, how, ramp)), expected), 0);
  }
  const File with_alpha = encode_samples(13, 9, 2, {.colour_type = PNG_COLOR_TYPE_GRAY_ALPHA},
                                         [](int x, int y, int c) { return c == 1 ? y * 20 : ramp(x, y, 0); });
  EXPECT_EQ(largest_difference(Image::decode(with_alpha), expected), 0);
}

TEST(DecodePng, SixteenBitsKeepTheirHighByte) {
  for (const auto& [type, channels] : {std::pair{PNG_COLOR_TYPE_GRAY, 1}, std::pair{PNG_COLOR_TYPE_GRAY_ALPHA, 2},
                                       std::pair{PNG_COLOR_TYPE_RGB, 3}, std::pair{PNG_COLOR_TYPE_RGBA, 4}}) {
    const File file = encode_samples(13, 9, channels, {.colour_type = type, .depth = 16},
                                     [](int x, int y, int c) { return ramp(x, y, c) * 256 + (x * 91 + y * 57) % 256; });
    const int colours = channels < 3 ? 1 : 3;
    const Image expected = picture(13, 9, [&](int x, int y, int c) { return ramp(x, y, colours == 1 ? 0 : c); });
    EXPECT_EQ(largest_difference(Image::decode(file), expected), 0) << channels;
  }
}

TEST(DecodePng, FewBitsSpanAllLevels) {
  for (const int depth : {1, 2, 4}) {
    const int top = (1 << depth) - 1, per_byte = 8 / depth, width = 13;
    std::vector<uint8_t> rows;
    for (int y = 0; y < 3; ++y)
      for (int byte = 0; byte * per_byte < width; ++byte) {
        int packed = 0;
        for (int i = 0; i < per_byte; ++i) packed = packed << depth | ((byte * per_byte + i + y) & top);
        rows.push_back(static_cast<uint8_t>(packed));
      }
    const auto index = [&](int x, int y) { return (x + y) & top; };
    const File grey = encode(rows, width, 3, {.colour_type = PNG_COLOR_TYPE_GRAY, .depth = depth});
    const Image grey_expected = picture(width, 3, [&](int x, int y, int) { return index(x, y) * 255 / top; });
    EXPECT_EQ(largest_difference(Image::decode(grey), grey_expected), 0) << depth;

    Png how{.colour_type = PNG_COLOR_TYPE_PALETTE, .depth = depth};
    for (int i = 0; i <= top; ++i)
      how.palette.push_back({static_cast<uint8_t>(i * 3), static_cast<uint8_t>(255 - i), static_cast<uint8_t>(i)});
    const Image expected = picture(width, 3, [&](int x, int y, int c) {
      const int i = index(x, y);
      return c == 0 ? i * 3 : c == 1 ? 255 - i : i;
    });
    for (const bool transparent : {false, true}) {
      how.transparent = transparent;
      EXPECT_EQ(largest_difference(Image::decode(encode(rows, width, 3, how)), expected), 0) << depth;
    }
  }
}

TEST(DecodePng, Palette) {
  Png how{.colour_type = PNG_COLOR_TYPE_PALETTE};
  for (int i = 0; i < 200; ++i)
    how.palette.push_back({static_cast<uint8_t>(i), static_cast<uint8_t>(200 - i), static_cast<uint8_t>(i / 2)});
  const auto index = [](int x, int y) { return (x * 17 + y * 5) % 200; };
  const File file = encode_samples(11, 7, 1, how, [&](int x, int y, int) { return index(x, y); });
  const Image expected = picture(11, 7, [&](int x, int y, int c) {
    const int i = index(x, y);
    return c == 0 ? i : c == 1 ? 200 - i : i / 2;
  });
  EXPECT_EQ(largest_difference(Image::decode(file), expected), 0);
}

TEST(DecodePng, OnePixel) {
  EXPECT_EQ(largest_difference(Image::decode(encode_samples(1, 1, 3, {}, ramp)), ramps(1, 1)), 0);
  EXPECT_EQ(largest_difference(Image::decode(encode_samples(1, 1, 3, {.interlaced = true}, ramp)), ramps(1, 1)), 0);
}

TEST(DecodePng, CutShort) {
  expect_refused_when_cut(encode_samples(13, 9, 3, {}, ramp));
  expect_refused_when_cut(encode_samples(13, 9, 3, {.interlaced = true}, ramp));
}

TEST(DecodePng, ChangedBytes) { expect_survives_changes(encode_samples(13, 9, 3, {}, ramp)); }

/// A header of that size with its checksum, and nothing after it.
File header(uint32_t width, uint32_t height) {
  File file = encode_samples(1, 1, 3, {}, ramp);
  const auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) file[at + i] = static_cast<std::byte>(value >> (24 - 8 * i));
  };
  put(16, width);
  put(20, height);
  uint32_t crc = 0xFFFFFFFF;  // PNG 1.2, appendix 15
  for (size_t i = 12; i < 29; ++i) {
    crc ^= std::to_integer<uint32_t>(file[i]);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
  }
  put(29, ~crc);
  return file;
}

TEST(DecodePng, AbsurdSizes) {
  EXPECT_EQ(error_of([] { Image::decode(header(0x7FFFFFFF, 0x7FFFFFFF)); }),
            "PNG: a picture of 2147483647 x 2147483647: the limit is 400000000 pixels");
  EXPECT_EQ(error_of([] { Image::decode(header(0, 5)); }),
            "PNG: a picture needs at least one pixel, this one is 0 x 5");
  EXPECT_THROW(Image::decode(header(0xFFFFFFFF, 1)), Error);
  // Within the limit, but no file of this length can hold it: refused before the gigabyte is taken.
  EXPECT_NE(error_of([] { Image::decode(header(20000, 20000)); }).find("bytes cannot hold the picture"),
            std::string::npos);
}

}  // namespace
}  // namespace tercel::inline image

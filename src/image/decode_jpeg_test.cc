#include <cstdio>
// jpeglib.h needs FILE.
#include <jpeglib.h>

#include "image/decode.h"
#include "image/picture_testing.h"

namespace tercel::inline image {
namespace {

using namespace testing;

struct Jpeg {
  J_COLOR_SPACE input = JCS_RGB;  ///< what the rows hold
  J_COLOR_SPACE stored = JCS_YCbCr;
  int channels = 3;
  bool progressive = false;
  bool subsampled = false;
  int restart_rows = 0;
  std::vector<uint8_t> exif;  ///< an APP1 segment
};

/// `samples`: width * height * channels, at the best quality.
File encode(const std::vector<uint8_t>& samples, int width, int height, const Jpeg& how) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = how.channels;
  info.in_color_space = how.input;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, how.stored);
  jpeg_set_quality(&info, 100, TRUE);
  if (!how.subsampled) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  if (how.progressive) jpeg_simple_progression(&info);
  info.restart_in_rows = how.restart_rows;
  jpeg_start_compress(&info, TRUE);
  if (!how.exif.empty())
    jpeg_write_marker(&info, JPEG_APP0 + 1, how.exif.data(), static_cast<unsigned>(how.exif.size()));
  for (int y = 0; y < height; ++y) {
    JSAMPROW row = const_cast<uint8_t*>(samples.data()) + static_cast<ptrdiff_t>(y) * width * how.channels;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const auto bytes = std::as_bytes(std::span(buffer, size));
  File file(bytes.begin(), bytes.end());
  std::free(buffer);
  return file;
}

File encode(const Image& image, const Jpeg& how = {}) {
  return encode(levels(image), image.width(), image.height(), how);
}

/// Grey from the red channel.
File encode_grey(const Image& image) {
  std::vector<uint8_t> grey;
  const std::vector<uint8_t> rgb = levels(image);
  for (size_t i = 0; i < rgb.size(); i += 3) grey.push_back(rgb[i]);
  return encode(grey, image.width(), image.height(), {.input = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .channels = 1});
}

TEST(DecodeJpeg, Colour) {
  const Image image = slopes(37, 21);
  EXPECT_LE(largest_difference(Image::decode(encode(image)), image), 3);
  EXPECT_LE(largest_difference(Image::decode(encode(image, {.subsampled = true})), image), 6);
  EXPECT_LE(largest_difference(Image::decode(encode(image, {.stored = JCS_RGB})), image), 3);
  EXPECT_LE(largest_difference(Image::decode(encode(image, {.restart_rows = 1})), image), 3);
}

TEST(DecodeJpeg, ProgressiveIsTheSamePicture) {
  const Image image = ramps(37, 21);
  EXPECT_EQ(largest_difference(Image::decode(encode(image, {.progressive = true})), Image::decode(encode(image))), 0);
}

TEST(DecodeJpeg, Grey) {
  const Image image = picture(30, 11, [](int x, int y, int) { return x * 5 + y * 3; });
  EXPECT_LE(largest_difference(Image::decode(encode_grey(image)), image), 2);
}

TEST(DecodeJpeg, OnePixel) {
  const Image image = picture(1, 1, [](int, int, int c) { return 50 + 40 * c; });
  EXPECT_LE(largest_difference(Image::decode(encode(image)), image), 2);
}

TEST(DecodeJpeg, InvertedInks) {
  // Light that each ink lets through, and what remains of it under a black of the last sample.
  const std::vector<std::array<uint8_t, 4>> inks{
      {255, 255, 255, 255}, {0, 255, 255, 255}, {255, 0, 100, 255}, {200, 150, 100, 128}, {255, 255, 255, 0}};
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK})
    for (const auto& ink : inks) {
      std::vector<uint8_t> samples;
      for (int i = 0; i < 64; ++i) samples.insert(samples.end(), ink.begin(), ink.end());
      const Image image = Image::decode(encode(samples, 8, 8, {.input = JCS_CMYK, .stored = stored, .channels = 4}));
      for (int c = 0; c < 3; ++c) EXPECT_NEAR(image.row(3)[9 + c], ink[static_cast<size_t>(c)] * ink[3] / 255, 3);
    }
}

TEST(DecodeJpeg, OrientationsOfExif) {
  // A picture whose four corners tell where each stored corner went.
  const int w = 24, h = 16;
  const auto corner = [](const Image& image, bool right, bool bottom) {
    return image.row(bottom ? image.height() - 4 : 3)[(right ? image.width() - 4 : 3) * 3];
  };
  const Image stored = picture(w, h, [&](int x, int y, int) { return 20 + (x >= w / 2) * 60 + (y >= h / 2) * 120; });
  // Stored top left, top right, bottom left, bottom right, as seen at those places.
  const std::array<std::array<int, 4>, 8> seen{{{20, 80, 140, 200},
                                                {80, 20, 200, 140},
                                                {200, 140, 80, 20},
                                                {140, 200, 20, 80},
                                                {20, 140, 80, 200},
                                                {140, 20, 200, 80},
                                                {200, 80, 140, 20},
                                                {80, 200, 20, 140}}};
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (const ExifForm form : {ExifForm::little, ExifForm::big, ExifForm::little_long, ExifForm::big_long}) {
      const File file = encode(stored, {.exif = exif_segment(orientation, form)});
      const Image image = Image::decode(file);
      EXPECT_EQ(image.width(), orientation >= 5 ? h : w);
      EXPECT_EQ(image.height(), orientation >= 5 ? w : h);
      for (size_t i = 0; i < 4; ++i)
        EXPECT_NEAR(corner(image, i % 2 == 1, i / 2 == 1), seen[static_cast<size_t>(orientation) - 1][i], 4)
            << "orientation " << orientation << " corner " << i;
      EXPECT_EQ(probe(file).width, w);  // before the turn
    }
}

TEST(DecodeJpeg, BrokenExifIsIgnored) {
  const Image image = slopes(16, 8);
  for (int orientation : {0, 9, 1000, 65537, 1 << 30})
    for (const ExifForm form : {ExifForm::little, ExifForm::big_long})
      EXPECT_EQ(Image::decode(encode(image, {.exif = exif_segment(orientation, form)})).width(), 16);
  const std::vector<uint8_t> whole = exif_segment(6);
  for (size_t size = 1; size < whole.size(); ++size) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_NO_THROW(Image::decode(encode(image, {.exif = cut}))) << size;
  }
}

TEST(DecodeJpeg, CutShort) {
  expect_refused_when_cut(encode(ramps(19, 17)));
  expect_refused_when_cut(encode(ramps(19, 17), {.progressive = true}));
  expect_refused_when_cut(encode_grey(ramps(9, 9)));
}

TEST(DecodeJpeg, CutShortAndClosedAgain) {
  // libjpeg would paint the rest grey.
  File file = encode(ramps(64, 64));
  file.resize(file.size() / 2);
  file.push_back(std::byte{0xFF});
  file.push_back(std::byte{0xD9});
  EXPECT_EQ(error_of([&] { Image::decode(file); }), "JPEG: the file is cut short");
}

TEST(DecodeJpeg, StrayBytesDoNotMatter) {
  // After the picture, and before a marker: libjpeg warns and goes on.
  const Image image = slopes(16, 16);
  const File whole = encode(image);
  File longer = whole;
  longer.insert(longer.end(), 100, std::byte{7});
  EXPECT_EQ(largest_difference(Image::decode(longer), Image::decode(whole)), 0);
  File inside = whole;
  inside.insert(inside.begin() + 2, 3, std::byte{7});
  EXPECT_THROW(Image::decode(inside), Error);  // no longer a JPEG by its first bytes
  inside = whole;
  inside.insert(inside.begin() + 20, 3, std::byte{7});  // between APP0, which is 18 bytes long, and the next
  EXPECT_EQ(largest_difference(Image::decode(inside), Image::decode(whole)), 0);
}

TEST(DecodeJpeg, ChangedBytes) { expect_survives_changes(encode(ramps(16, 16))); }

/// Where the start of frame is: after its marker come length (2), precision (1), height (2), width (2).
size_t frame_at(const File& file) {
  for (size_t i = 0; i + 1 < file.size(); ++i)
    if (file[i] == std::byte{0xFF} && (file[i + 1] == std::byte{0xC0} || file[i + 1] == std::byte{0xC2})) return i;
  return 0;
}

TEST(DecodeJpeg, AbsurdSizes) {
  File file = encode(ramps(8, 8));
  const size_t at = frame_at(file) + 5;
  for (size_t i = 0; i < 4; ++i) file[at + i] = std::byte{0xFE};
  EXPECT_EQ(error_of([&] { Image::decode(file); }), "JPEG: a picture of 65278 x 65278: the limit is 400000000 pixels");
  EXPECT_THROW(probe(file), Error);
  for (size_t i = 0; i < 4; ++i) file[at + i] = std::byte{0};
  EXPECT_THROW(Image::decode(file), Error);
  // Within the limit, but no file of this length can hold it: refused before the gigabyte is taken.
  for (size_t i = 0; i < 4; ++i) file[at + i] = std::byte{0x4D};
  EXPECT_NE(error_of([&] { Image::decode(file); }).find("bytes cannot hold the picture"), std::string::npos);
}

TEST(DecodeJpeg, EndlessScans) {
  // The first scan of a progressive file, again and again: every one goes over the whole picture.
  File file = encode(ramps(8, 8), {.progressive = true});
  const auto next_marker = [&](size_t from) {
    while (file[from] != std::byte{0xFF} || file[from + 1] == std::byte{0}) ++from;
    return static_cast<ptrdiff_t>(from);
  };
  size_t at = 0;
  while (file[at] != std::byte{0xFF} || file[at + 1] != std::byte{0xDA}) ++at;
  const auto begin = static_cast<ptrdiff_t>(at), end = next_marker(at + 2);
  const File scan(file.begin() + begin, file.begin() + end);
  for (int i = 0; i < 2000; ++i) file.insert(file.begin() + end, scan.begin(), scan.end());
  EXPECT_EQ(error_of([&] { Image::decode(file); }), "JPEG: too many scans for its size");
}

}  // namespace
}  // namespace tercel::inline image

// For the tests of this folder: pictures by formula, and the encoders whose files the decoders are tried on.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tercel/error.h"
#include "tercel/image.h"

namespace tercel::inline image::testing {

using File = std::vector<std::byte>;

template <typename Level>
Image picture(int width, int height, const Level& level) {
  Image image(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) image.row(y)[x * 3 + c] = static_cast<uint8_t>(level(x, y, c));
  return image;
}

/// Ramps that wrap around: slopes and steps of both signs.
inline Image ramps(int width, int height) {
  return picture(width, height, [](int x, int y, int c) { return (x * 7 + y * 13 + c * 29) % 256; });
}

/// Black and white fields: filters with negative weights shoot over both ends.
inline Image fields(int width, int height) {
  return picture(width, height, [](int x, int y, int c) { return (x / 3 + y / 2 + c) % 2 * 255; });
}

/// Gentle slopes, which lossy formats keep within a few levels.
inline Image slopes(int width, int height) {
  return picture(width, height, [&](int x, int y, int c) {
    return 40 + (c == 0 ? x : c == 1 ? y : x + y) * 150 / (width + height) + c * 10;
  });
}

/// The order of bytes, and whether the orientation is a SHORT, as the standard says, or a LONG.
enum class ExifForm { little, big, little_long, big_long };

/// TIFF with the orientation as its only entry: what PNG's eXIf and WebP's EXIF chunk hold.
inline std::vector<uint8_t> exif(int orientation, ExifForm form = ExifForm::little) {
  const bool little = form == ExifForm::little || form == ExifForm::little_long;
  const bool as_long = form == ExifForm::little_long || form == ExifForm::big_long;
  std::vector<uint8_t> tiff;
  const auto put = [&](uint32_t value, int size) {
    for (int i = 0; i < size; ++i) tiff.push_back(static_cast<uint8_t>(value >> 8 * (little ? i : size - 1 - i)));
  };
  put(little ? 0x4949 : 0x4D4D, 2);  // "II", "MM"
  put(42, 2);
  put(8, 4);
  put(1, 2);
  put(0x0112, 2);
  put(as_long ? 4 : 3, 2);
  put(1, 4);
  put(static_cast<uint32_t>(orientation), as_long ? 4 : 2);
  if (!as_long) put(0, 2);
  put(0, 4);
  return tiff;
}

/// The same as JPEG's APP1 segment has it.
inline std::vector<uint8_t> exif_segment(int orientation, ExifForm form = ExifForm::little) {
  std::vector<uint8_t> segment{'E', 'x', 'i', 'f', 0, 0};
  for (uint8_t byte : exif(orientation, form)) segment.push_back(byte);
  return segment;
}

inline std::vector<uint8_t> levels(const Image& image) {
  const size_t size = static_cast<size_t>(image.width()) * static_cast<size_t>(image.height()) * 3;
  return {image.data(), image.data() + size};
}

inline std::vector<uint8_t> from_hex(std::string_view hex) {
  const auto digit = [&](size_t i) { return hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10; };
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(static_cast<uint8_t>(digit(i) * 16 + digit(i + 1)));
  return bytes;
}

/// The largest difference; 256 where the sizes differ.
inline int largest_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  if (a.size() != b.size()) return 256;
  int most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

inline int largest_difference(const Image& a, const Image& b) {
  if (a.width() != b.width() || a.height() != b.height()) return 256;
  return largest_difference(levels(a), levels(b));
}

/// The message of the Error that `body` throws; a test failure where it throws none.
template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no Error";
  return {};
}

/// Every beginning of the file that is not the whole is refused.
inline void expect_refused_when_cut(const File& file) {
  ASSERT_NO_THROW(Image::decode(file));
  for (size_t size = 0; size < file.size(); ++size) {
    const File cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_THROW(Image::decode(cut), Error) << size << " bytes of " << file.size();
  }
}

/// Any one byte changed: a picture or an Error, and nothing worse.
inline void expect_survives_changes(const File& file) {
  for (size_t at = 0; at < file.size(); ++at)
    for (const int flip : {0x01, 0x10, 0x80, 0xFF}) {
      File changed = file;
      changed[at] ^= static_cast<std::byte>(flip);
      try {
        // A changed header may claim a large picture, which is allowed and slow.
        if (int64_t{Image::decode(changed).width()} < 0) ADD_FAILURE();
      } catch (const Error&) {
      }
    }
}

}  // namespace tercel::inline image::testing

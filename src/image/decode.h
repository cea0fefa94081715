// One decoder per file format, all with the same shape.
#pragma once

#include "tercel/image.h"

namespace tercel::inline image {

struct PictureSize {
  int width = 0;
  int height = 0;
  int64_t pixels() const { return int64_t{width} * height; }
};

/// The size that the header claims, before any EXIF turn; a few kilobytes are allocated at most.
/// Throws Error: not a picture, a broken header, no pixels, more than Image::kMaxPixels.
PictureSize probe(std::span<const std::byte> bytes);

/// A size as headers claim it. Throws Error where it is not positive or above Image::kMaxPixels.
PictureSize checked_size(int64_t width, int64_t height);

PictureSize probe_jpeg(std::span<const std::byte> bytes);
PictureSize probe_png(std::span<const std::byte> bytes);
PictureSize probe_webp(std::span<const std::byte> bytes);

/// Grey, YCbCr, RGB, CMYK and YCCK. Four-channel files are taken as inverted (0 is full ink), as Adobe writes them and
/// as Pillow and the browsers read all of them.
Image decode_jpeg(std::span<const std::byte> bytes);
Image decode_png(std::span<const std::byte> bytes);
Image decode_webp(std::span<const std::byte> bytes);

}  // namespace tercel::inline image

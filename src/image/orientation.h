// How a camera was held.
#pragma once

#include "tercel/image.h"

namespace tercel::inline image {

/// The orientation 1..8 that Exif tells: TIFF 6.0, one tag, 0x0112, in the first directory, after "Exif" and two zeros,
/// which JPEG's APP1 segment has and the chunks of PNG and WebP may have. 1, upright, for everything else: a broken
/// note is no reason to refuse the picture.
int exif_orientation(std::span<const std::byte> exif);

/// The picture as it is to be seen: stored row 0 and column 0 lie where Exif 2.32, table 6 (Orientation) says.
Image turned(Image stored, int orientation);

}  // namespace tercel::inline image

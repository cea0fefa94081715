// Pictures from strangers: decode, then the road into a network.
// Seeds: small JPEG (baseline, progressive, CMYK, with EXIF), PNG (each colour type, interlaced) and WebP (lossy,
// lossless, with alpha) files; a few hundred bytes each find more than large ones.
#include <cstddef>
#include <cstdint>

#include "image/decode.h"
#include "tercel/error.h"

using namespace tercel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes = std::as_bytes(std::span(data, size));
  try {
    // Larger claims are legal; here they would only make the search slow.
    constexpr int64_t kMaxPixels = int64_t{1} << 22;
    if (probe(bytes).pixels() > kMaxPixels) return 0;
    const Image image = Image::decode(bytes);
    if (image.width() > 512 || image.height() > 512) return 0;
    resize(image, 17, 9, Interpolation::bicubic);
    resize(image, 33, 65, Interpolation::bilinear);
    Preprocessing how;
    how.resize = 24;
    how.width = 20;
    how.height = 31;
    preprocess(image, how);
  } catch (const Error&) {
  }
  return 0;
}

#include <cstring>

#include "base/error.h"
#include "image/decode.h"
#include "image/orientation.h"

#if TERCEL_HAVE_WEBP
#include <webp/decode.h>
#endif

namespace tercel::inline image {

#if TERCEL_HAVE_WEBP

namespace {

const uint8_t* start(std::span<const std::byte> bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }

uint64_t little_endian(std::span<const std::byte> bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < 4; ++i) value += std::to_integer<uint64_t>(bytes[at + i]) << (8 * i);
  return value;
}

/// What the EXIF chunk holds; empty where there is none. RIFF: a name, a length, that many bytes, one more where the
/// length is odd.
std::span<const std::byte> exif_chunk(std::span<const std::byte> bytes) {
  constexpr size_t kFirst = 12, kHead = 8;
  for (size_t at = kFirst; at < bytes.size() && bytes.size() - at >= kHead;) {
    const uint64_t length = little_endian(bytes, at + 4);
    if (length > bytes.size() - at - kHead) break;
    if (std::memcmp(&bytes[at], "EXIF", 4) == 0) return bytes.subspan(at + kHead, static_cast<size_t>(length));
    at += kHead + static_cast<size_t>(length + length % 2);
  }
  return {};
}

}  // namespace

PictureSize probe_webp(std::span<const std::byte> bytes) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(start(bytes), bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) fail_input("the file is cut short");
  if (status != VP8_STATUS_OK) fail_input("the header is broken");
  if (features.has_animation) fail_unsupported("the picture moves: only still ones are read");
  return checked_size(features.width, features.height);
}

Image decode_webp(std::span<const std::byte> bytes) {
  const PictureSize size = probe_webp(bytes);
  // The last few bits of a lossy picture can go missing unnoticed by libwebp, the container's length (little-endian at
  // byte 4, counting from byte 8) tells.
  const uint64_t length = 8 + little_endian(bytes, 4);
  if (length > bytes.size()) fail_input("the file is cut short: {} bytes of {}", bytes.size(), length);
  Image image(size.width, size.height);
  const size_t room = static_cast<size_t>(size.pixels()) * 3;
  if (WebPDecodeRGBInto(start(bytes), bytes.size(), image.data(), room, size.width * 3) == nullptr)
    fail_input("the data is broken or cut short");
  return turned(std::move(image), exif_orientation(exif_chunk(bytes)));
}

#else

namespace {

[[noreturn]] void fail_built_without() { fail_unsupported("this Tercel was built without WebP (libwebp)"); }

}  // namespace

PictureSize probe_webp(std::span<const std::byte>) { fail_built_without(); }
Image decode_webp(std::span<const std::byte>) { fail_built_without(); }

#endif

}  // namespace tercel::inline image

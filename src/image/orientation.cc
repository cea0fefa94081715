#include "image/orientation.h"

#include <cstring>
#include <optional>

namespace tercel::inline image {
namespace {

/// TIFF numbers, little-endian ("II") or big-endian ("MM"); nothing beyond the end.
struct Tiff {
  std::span<const std::byte> bytes;
  bool little = true;

  std::optional<uint32_t> number(uint64_t at, unsigned size) const {
    if (at + size > bytes.size()) return std::nullopt;
    uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i)
      value = value << 8 | std::to_integer<uint32_t>(bytes[at + (little ? size - 1 - i : i)]);
    return value;
  }
  std::optional<uint32_t> u16(uint64_t at) const { return number(at, 2); }
  std::optional<uint32_t> u32(uint64_t at) const { return number(at, 4); }
};

}  // namespace

int exif_orientation(std::span<const std::byte> exif) {
  constexpr uint32_t kOrientation = 0x0112, kShort = 3, kLong = 4;
  constexpr size_t kName = 6;  // "Exif\0\0"
  if (exif.size() >= kName && std::memcmp(exif.data(), "Exif\0\0", kName) == 0) exif = exif.subspan(kName);
  if (exif.size() < 8) return 1;
  Tiff tiff{exif};
  if (std::memcmp(tiff.bytes.data(), "MM", 2) == 0) tiff.little = false;
  else if (std::memcmp(tiff.bytes.data(), "II", 2) != 0) return 1;
  if (tiff.u16(2) != 42u) return 1;
  const uint64_t directory = tiff.u32(4).value_or(0);
  const uint32_t entries = tiff.u16(directory).value_or(0);
  for (uint32_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + uint64_t{i} * 12;
    if (tiff.u16(entry) != kOrientation) continue;
    // The standard says SHORT; LONG is found too, and every reader takes it.
    const uint32_t type = tiff.u16(entry + 2).value_or(0);
    if ((type != kShort && type != kLong) || tiff.u32(entry + 4) != 1u) return 1;
    const uint32_t value = (type == kShort ? tiff.u16(entry + 8) : tiff.u32(entry + 8)).value_or(1);
    return value >= 1 && value <= 8 ? int(value) : 1;
  }
  return 1;
}

Image turned(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  const bool swap = orientation >= 5;
  const bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image seen(swap ? stored.height() : stored.width(), swap ? stored.width() : stored.height());
  for (int y = 0; y < seen.height(); ++y) {
    uint8_t* out = seen.row(y);
    for (int x = 0; x < seen.width(); ++x, out += 3) {
      const int column = swap ? y : x, row = swap ? x : y;
      const uint8_t* in = stored.row(mirror_y ? stored.height() - 1 - row : row) +
                          3 * static_cast<ptrdiff_t>(mirror_x ? stored.width() - 1 - column : column);
      std::memcpy(out, in, 3);
    }
  }
  return seen;
}

}  // namespace tercel::inline image

#include "image/decode.h"

#include <array>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace tercel {
namespace {

using Bytes = std::span<const std::byte>;

bool has_text(Bytes bytes, size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

struct Format {
  std::string_view name;
  bool (*matches)(Bytes);
  PictureSize (*probe)(Bytes);
  Image (*decode)(Bytes);
};

constexpr std::array kFormats{
    Format{"JPEG", [](Bytes b) { return has_text(b, 0, "\xFF\xD8\xFF"); }, probe_jpeg, decode_jpeg},
    Format{"PNG", [](Bytes b) { return has_text(b, 0, "\x89PNG\r\n\x1A\n"); }, probe_png, decode_png},
    Format{"WebP", [](Bytes b) { return has_text(b, 0, "RIFF") && has_text(b, 8, "WEBP"); }, probe_webp, decode_webp},
};

/// Pictures that are known by name only.
std::string_view foreign_format(Bytes b) {
  const auto starts = [&](std::string_view text) { return has_text(b, 0, text); };
  if (starts("GIF87a") || starts("GIF89a")) return "GIF";
  if (starts("BM") && b.size() >= 14 && has_text(b, 6, std::string_view("\0\0\0\0", 4))) return "BMP";
  if (starts(std::string_view("II*\0", 4)) || starts(std::string_view("MM\0*", 4))) return "TIFF or camera raw";
  if (has_text(b, 4, "ftypavif") || has_text(b, 4, "ftypavis")) return "AVIF";
  for (const char* brand : {"ftypheic", "ftypheix", "ftyphevc", "ftypmif1", "ftypmsf1"})
    if (has_text(b, 4, brand)) return "HEIC";
  if (starts("\xFF\x0A") || has_text(b, 4, "JXL \r\n\x87\n")) return "JPEG XL";
  if (has_text(b, 4, "jP  \r\n\x87\n") || starts("\xFF\x4F\xFF\x51")) return "JPEG 2000";
  if (starts("8BPS")) return "Photoshop";
  if (starts("%PDF")) return "PDF";
  if (starts("<svg")) return "SVG";
  return {};
}

const Format& format_of(Bytes bytes) {
  for (const Format& format : kFormats)
    if (format.matches(bytes)) return format;
  if (const std::string_view name = foreign_format(bytes); !name.empty())
    fail_unsupported(
        "{}: Tercel reads JPEG, PNG and WebP; save the picture as one of these first, for example with ImageMagick: "
        "convert PICTURE PICTURE.png",
        name);
  std::string start;
  for (const std::byte b : bytes.first(std::min<size_t>(bytes.size(), 8))) start += fmt::format(" {:02x}", int(b));
  if (start.empty()) fail_input("not a picture: no bytes");
  fail_input("not a picture: wanted JPEG, PNG or WebP, the first bytes are{}", start);
}

}  // namespace

PictureSize image::checked_size(int64_t width, int64_t height) {
  if (width <= 0 || height <= 0) fail_input("a picture needs at least one pixel, this one is {} x {}", width, height);
  if (width > Image::kMaxPixels || height > Image::kMaxPixels || width * height > Image::kMaxPixels)
    fail(ErrorCode::limit, "a picture of {} x {}: the limit is {} pixels", width, height, Image::kMaxPixels);
  return {static_cast<int>(width), static_cast<int>(height)};
}

PictureSize image::probe(std::span<const std::byte> bytes) {
  const Format& format = format_of(bytes);
  return at_place([&] { return format.name; }, [&] { return format.probe(bytes); });
}

Image::Image(int width, int height) {
  const PictureSize size = checked_size(width, height);
  width_ = size.width;
  height_ = size.height;
  pixels_.resize(static_cast<size_t>(size.pixels()) * 3);
}

Image Image::decode(std::span<const std::byte> bytes) {
  const Format& format = format_of(bytes);
  return at_place([&] { return format.name; }, [&] { return format.decode(bytes); });
}

Image Image::open(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return at_place([&] { return path.string(); }, [&] { return decode(file->bytes()); });
}

}  // namespace tercel

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

const Format& format_of(Bytes bytes) {
  for (const Format& format : kFormats)
    if (format.matches(bytes)) return format;
  std::string start;
  for (const std::byte b : bytes.first(std::min<size_t>(bytes.size(), 8))) start += fmt::format(" {:02x}", int(b));
  if (start.empty()) fail_input("not a picture: no bytes");
  fail_input("not a picture: wanted JPEG, PNG or WebP, the first bytes are{}", start);
}

}  // namespace

PictureSize checked_size(int64_t width, int64_t height) {
  if (width <= 0 || height <= 0) fail_input("a picture needs at least one pixel, this one is {} x {}", width, height);
  if (width > Image::kMaxPixels || height > Image::kMaxPixels || width * height > Image::kMaxPixels)
    fail(ErrorCode::limit, "a picture of {} x {}: the limit is {} pixels", width, height, Image::kMaxPixels);
  return {static_cast<int>(width), static_cast<int>(height)};
}

PictureSize probe(std::span<const std::byte> bytes) {
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

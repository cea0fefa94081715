#include <png.h>

#include <cstring>

#include "base/error.h"
#include "image/decode.h"
#include "image/escape.h"
#include "image/orientation.h"

namespace tercel::inline image {
namespace {

// Chunks that libpng need not read; eXIf is found by exif_chunk. Texts and profiles are compressed: a small file could
// make libpng keep gigabytes.
constexpr png_byte kSkipped[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0eXIf\0hIST";
constexpr int kSkippedCount = sizeof(kSkipped) / 5;

class PngReader {
 public:
  explicit PngReader(std::span<const std::byte> bytes) : rest_(bytes), file_size_(bytes.size()) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) fail(ErrorCode::limit, "libpng could not start");
    guarded([&] {
      png_set_read_fn(png_, this, on_read);
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kSkipped, kSkippedCount);
      png_read_info(png_, info_);
    });
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// 8-bit rgb rows into `image`, then the rest of the file, up to its end chunk.
  void read(Image& image) {
    // Deflate makes no more than 1032 bytes of one (RFC 1951: 258 bytes for two bits), so a small file cannot hold a
    // huge picture, whatever its header says.
    const uint64_t packed = uint64_t{png_get_rowbytes(png_, info_)} * png_get_image_height(png_, info_);
    if (packed / 1032 > file_size_) fail_input("the file is cut short: {} bytes cannot hold the picture", file_size_);
    image =
        Image(static_cast<int>(png_get_image_width(png_, info_)), static_cast<int>(png_get_image_height(png_, info_)));
    guarded([&] {
      png_set_expand(png_);  // palettes to rgb, 1, 2 and 4 bits to 8, tRNS to alpha
      png_set_strip_16(png_);
      png_set_strip_alpha(png_);
      png_set_gray_to_rgb(png_);
      const int passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      if (png_get_rowbytes(png_, info_) != static_cast<size_t>(image.width()) * 3)
        escape_.leave("libpng would give rows of another size");
      for (int pass = 0; pass < passes; ++pass)
        for (int y = 0; y < image.height(); ++y) png_read_row(png_, image.row(y), nullptr);
      png_read_end(png_, nullptr);
    });
  }

 private:
  template <typename Body>
  void guarded(const Body& body) {
    if (!escape_.run(body)) fail_input("{}", escape_.reason());
  }

  static void on_error(png_structp png, png_const_charp reason) {
    static_cast<PngReader*>(png_get_error_ptr(png))->escape_.leave(reason);
  }

  static void on_read(png_structp png, png_bytep to, size_t size) {
    auto& rest = static_cast<PngReader*>(png_get_io_ptr(png))->rest_;
    if (size > rest.size()) png_error(png, "the file is cut short");
    std::memcpy(to, rest.data(), size);
    rest = rest.subspan(size);
  }

  std::span<const std::byte> rest_;
  size_t file_size_;
  struct Handles {  // destroyed when the constructor throws, too
    png_structp png = nullptr;
    png_infop info = nullptr;
    ~Handles() { png_destroy_read_struct(&png, &info, nullptr); }
  };

  Handles handles_;
  png_structp& png_ = handles_.png;
  png_infop& info_ = handles_.info;
  Escape escape_;
};

uint32_t big_endian(std::span<const std::byte> bytes, size_t at) {
  return png_get_uint_32(reinterpret_cast<png_const_bytep>(&bytes[at]));
}

/// What the eXIf chunk holds, before or behind the pixels; empty where there is none. A chunk is a length, a name, that
/// many bytes and a checksum (PNG 1.2, 3.2).
std::span<const std::byte> exif_chunk(std::span<const std::byte> bytes) {
  constexpr size_t kSignature = 8, kAround = 12;
  for (size_t at = kSignature; bytes.size() - at >= kAround;) {
    const size_t length = big_endian(bytes, at);
    if (length > bytes.size() - at - kAround) break;
    if (std::memcmp(&bytes[at + 4], "eXIf", 4) == 0) return bytes.subspan(at + 8, length);
    at += kAround + length;
  }
  return {};
}

}  // namespace

PictureSize probe_png(std::span<const std::byte> bytes) {
  // Signature, then IHDR: length, name, width, height, all big-endian (PNG 1.2, 4.1.1).
  constexpr size_t kWidthAt = 16;
  if (bytes.size() < kWidthAt + 8) fail_input("the file is cut short");
  return checked_size(big_endian(bytes, kWidthAt), big_endian(bytes, kWidthAt + 4));
}

Image decode_png(std::span<const std::byte> bytes) {
  probe_png(bytes);
  PngReader reader(bytes);
  Image image;
  reader.read(image);
  return turned(std::move(image), exif_orientation(exif_chunk(bytes)));
}

}  // namespace tercel::inline image

#include <cstdio>
// jpeglib.h needs FILE.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>

#include "base/error.h"
#include "image/decode.h"
#include "image/escape.h"
#include "image/orientation.h"

namespace tercel::inline image {
namespace {

/// One libjpeg decompressor over bytes in memory. libjpeg finds this object again through client_data.
class JpegReader {
 public:
  explicit JpegReader(std::span<const std::byte> bytes) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = on_progress;
    guarded([&] {
      jpeg_create_decompress(&info_);  // keeps err and client_data
      info_.progress = &progress_;
      // Progressive files are gathered as coefficients first, twice as large as the pixels.
      info_.mem->max_memory_to_use = static_cast<long>(Image::kMaxPixels * 3);
      jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
      jpeg_read_header(&info_, TRUE);
    });
    size_ = checked_size(info_.image_width, info_.image_height);
    check_plausible(bytes.size());
    for (jpeg_saved_marker_ptr m = info_.marker_list; m != nullptr && orientation_ == 1; m = m->next)
      orientation_ = exif_orientation(std::as_bytes(std::span(m->data, m->data_length)));
    // Each scan of a progressive file goes over the whole picture, and an empty scan is a few bytes long. Cameras and
    // encoders write about ten.
    max_scans_ = static_cast<int>(std::clamp<int64_t>(10 * Image::kMaxPixels / size_.pixels(), 1, 1000));
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  PictureSize size() const { return size_; }
  int channels() const { return info_.num_components; }

  int orientation() const { return orientation_; }

  /// All rows in order, as `space`; row(y) says where row y goes. Then the rest of the file, up to its end marker.
  template <typename Row, typename Done>
  void read(J_COLOR_SPACE space, const Row& row, const Done& done) {
    info_.out_color_space = space;
    guarded([&] {
      jpeg_start_decompress(&info_);
      while (info_.output_scanline < info_.output_height) {
        const int y = static_cast<int>(info_.output_scanline);
        JSAMPROW at = row(y);
        jpeg_read_scanlines(&info_, &at, 1);
        done(y);
      }
      jpeg_finish_decompress(&info_);
    });
  }

 private:
  /// No Huffman code is shorter than a bit and every block has one, so a small file cannot hold a huge picture,
  /// whatever its header says. Arithmetic coding knows no such bound.
  void check_plausible(size_t file_size) const {
    if (info_.arith_code) return;
    uint64_t blocks = 0;
    for (int c = 0; c < info_.num_components; ++c)
      blocks += uint64_t{info_.comp_info[c].width_in_blocks} * info_.comp_info[c].height_in_blocks;
    if (blocks / 8 > file_size) fail_input("the file is cut short: {} bytes cannot hold the picture", file_size);
  }

  template <typename Body>
  void guarded(const Body& body) {
    if (!escape_.run(body)) fail_input("{}", escape_.reason());
  }

  static JpegReader& self(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }

  static void on_error(j_common_ptr info) {
    char reason[JMSG_LENGTH_MAX];
    info->err->format_message(info, reason);
    self(info).escape_.leave(reason);
  }

  static void on_message(j_common_ptr info, int level) {
    if (level >= 0) return;
    // libjpeg paints what is missing grey and goes on; a network would take the grey for the picture. Other warnings
    // (stray bytes, odd markers) leave the picture whole.
    const int code = info->err->msg_code;
    if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER) self(info).escape_.leave("the file is cut short");
  }

  static void on_progress(j_common_ptr info) {
    JpegReader& reader = self(info);
    if (reader.info_.input_scan_number > reader.max_scans_) reader.escape_.leave("too many scans for its size");
  }

  // Destroyed when the constructor throws, too.
  struct Decompressor : jpeg_decompress_struct {
    Decompressor() : jpeg_decompress_struct{} {}
    ~Decompressor() { jpeg_destroy_decompress(this); }
  };

  Decompressor info_;
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  Escape escape_;
  PictureSize size_;
  int max_scans_ = 1;
  int orientation_ = 1;
};

/// a * b / 255, rounded, for a and b in 0..255.
int multiply_levels(int a, int b) {
  const int product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

/// Inverted inks: a level says how much light each ink lets through, black dims the three others.
void inks_to_rgb(const uint8_t* cmyk, int width, uint8_t* rgb) {
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3)
    for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(cmyk[3] - multiply_levels(255 - cmyk[c], cmyk[3]));
}

}  // namespace

PictureSize probe_jpeg(std::span<const std::byte> bytes) { return JpegReader(bytes).size(); }

Image decode_jpeg(std::span<const std::byte> bytes) {
  JpegReader reader(bytes);
  const auto [width, height] = reader.size();
  if (reader.channels() != 1 && reader.channels() != 3 && reader.channels() != 4)
    fail_unsupported("{} colour channels: 1, 3 and 4 are known", reader.channels());
  Image image(width, height);
  if (reader.channels() == 4) {
    std::vector<uint8_t> inks(static_cast<size_t>(width) * 4);
    reader.read(
        JCS_CMYK, [&](int) { return inks.data(); },
        [&, columns = width](int y) { inks_to_rgb(inks.data(), columns, image.row(y)); });
  } else {
    reader.read(
        JCS_RGB, [&](int y) { return image.row(y); }, [](int) {});
  }
  return turned(std::move(image), reader.orientation());
}

}  // namespace tercel::inline image

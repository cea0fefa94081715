// Pictures: decoding, and the road from a picture to a network's input.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tercel/export.h"

namespace tercel {

/// An 8-bit RGB picture, rows top to bottom, pixels r g b, no padding between rows.
class TERCEL_API Image {
 public:
  Image() = default;
  /// Black. Throws Error for a size that is not positive or above kMaxPixels.
  Image(int width, int height);

  /// Decodes JPEG (grey, YCbCr, CMYK), PNG (any colour type and depth) and WebP (stills), turned as their EXIF
  /// orientation says. Alpha is dropped and the colours under it are kept, as Pillow's convert("RGB") does; 16 bits
  /// keep the high byte. Throws Error naming the path: not found, not a picture, cut short, larger than kMaxPixels;
  /// WebP where Tercel was built without it.
  static Image open(const std::filesystem::path& path);
  static Image decode(std::span<const std::byte> bytes);

  int width() const { return width_; }
  int height() const { return height_; }
  const uint8_t* data() const { return pixels_.data(); }
  uint8_t* data() { return pixels_.data(); }
  const uint8_t* row(int y) const { return pixels_.data() + static_cast<size_t>(y) * static_cast<size_t>(width_) * 3; }
  uint8_t* row(int y) { return pixels_.data() + static_cast<size_t>(y) * static_cast<size_t>(width_) * 3; }

  /// 20000 x 20000: above, a few bytes of a stranger's file would claim gigabytes.
  static constexpr int64_t kMaxPixels = int64_t{20000} * 20000;

 private:
  int width_ = 0;
  int height_ = 0;
  std::vector<uint8_t> pixels_;
};

enum class Interpolation { nearest, bilinear, bicubic };

/// Antialiased resize, within one level of Pillow's Image.resize for the same filter (support grows with the reduction;
/// bicubic has a = -0.5; horizontal pass first, rounded to 8 bits between the passes). Throws Error for a size that is
/// not positive or above Image::kMaxPixels, and for an empty picture.
TERCEL_API Image resize(const Image& image, int width, int height, Interpolation interpolation);

/// The part that starts at (x, y); what lies outside the picture is black. Throws Error for a size that is not positive
/// or above Image::kMaxPixels.
TERCEL_API Image crop(const Image& image, int x, int y, int width, int height);

/// How a picture becomes the input of a network. Keys in ONNX metadata_props: see docs/preprocessing.md.
struct TERCEL_API Preprocessing {
  enum class Fit {
    shorter_side,  ///< shorter side to `resize`, then the centre `width` x `height` (torchvision, timm)
    stretch,       ///< straight to width x height, aspect ratio given up
  };
  int width = 224;
  int height = 224;
  Fit fit = Fit::shorter_side;
  int resize = 256;  ///< pixels of the shorter side before the crop; ignored when stretching
  Interpolation interpolation = Interpolation::bilinear;
  /// input = (level * scale - mean) / stddev, per channel in rgb order, level in 0..255.
  float scale = 1.0f / 255.0f;
  std::array<float, 3> mean{0, 0, 0};
  std::array<float, 3> stddev{1, 1, 1};
  bool bgr = false;            ///< the network wants blue first
  bool channels_last = false;  ///< the network wants n h w c
  /// The network wants one channel: the luma of r g b, as Pillow's convert("L") rounds it; the first of mean and
  /// stddev.
  bool grey = false;

  int channels() const { return grey ? 1 : 3; }

  /// "imagenet": 256, centre 224, bilinear, ImageNet mean and deviation. "inception": the same sizes, x/127.5 - 1.
  /// "vit": 248 bicubic, centre 224, x/127.5 - 1 (timm augreg). "cifar": stretch to 32x32, ImageNet mean and deviation.
  /// "caffe": 256, centre 224, bgr, mean 123 117 104 (r g b), no scaling. "unit": 256, centre 224, x/255.
  /// "mnist": grey, stretch to 28x28, x/255.
  /// Throws Error that lists the presets.
  static Preprocessing preset(std::string_view name);
  static std::vector<std::string_view> preset_names();

  /// What a model says of itself in its metadata_props (keys tercel.preprocess.*), over the defaults given here.
  /// Throws Error naming the key and what was wrong with its value.
  static Preprocessing from_metadata(const std::map<std::string, std::string>& metadata, Preprocessing defaults);
  /// The keys that from_metadata reads back to the same value.
  std::map<std::string, std::string> to_metadata() const;
  /// Whether a model with this metadata says anything of it.
  static bool in_metadata(const std::map<std::string, std::string>& metadata);

  /// For people: "vit"; "imagenet at 32x32, shorter side to 36 first" for a preset at another size; else all settings.
  std::string describe() const;

  bool operator==(const Preprocessing&) const = default;
};

/// 3 * height * width floats (one plane where grey), c h w order (h w c where channels_last). Sizes, offsets and
/// rounding as torchvision's Resize and CenterCrop; only what lies inside the crop is computed. Throws Error for
/// settings out of range (sides 1..8192, finite numbers, scale and stddev not 0), an empty picture, and one so long and
/// thin that its longer side would exceed 2^26.
TERCEL_API std::vector<float> preprocess(const Image& image, const Preprocessing& how);
/// The same into memory of that size. Throws Error for another size.
TERCEL_API void preprocess(const Image& image, const Preprocessing& how, std::span<float> input);

/// Class names, one a line; the line's number is the class, so empty lines count. Throws Error for a file that is not
/// UTF-8 text.
TERCEL_API std::vector<std::string> read_labels(const std::filesystem::path& path);

}  // namespace tercel

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "image/preprocessing.h"
#include "image/resize.h"

namespace tercel {
namespace {

/// One axis of torchvision's CenterCrop: where the crop of `wanted` pixels starts on an axis of `size`. Halves round to
/// even as Python's round() does; a crop larger than the picture starts outside, the odd pixel of padding at the end.
int64_t centre(int64_t size, int64_t wanted) {
  if (wanted > size) return -((wanted - size) / 2);
  const int64_t half = (size - wanted) / 2;
  const bool odd = (size - wanted) % 2 != 0;
  return half + (odd && half % 2 != 0 ? 1 : 0);
}

/// The picture at the size and crop that `how` asks for. Only pixels inside the crop are computed.
Image fitted(const Image& image, const Preprocessing& how) {
  if (how.fit == Preprocessing::Fit::stretch) return resize(image, how.width, how.height, how.interpolation);
  // torchvision's Resize(int): the longer side keeps the aspect ratio, cut to whole pixels.
  const int64_t w = image.width(), h = image.height();
  const int64_t longer = int64_t{how.resize} * std::max(w, h) / std::min(w, h);
  if (longer > kMaxResizedSide)
    fail(ErrorCode::limit, "a picture of {} x {} resized to a shorter side of {} would be {} long: the limit is {}", w,
         h, how.resize, longer, kMaxResizedSide);
  const int64_t new_w = w <= h ? how.resize : longer, new_h = w <= h ? longer : how.resize;
  const int64_t x = centre(new_w, how.width), y = centre(new_h, how.height);
  const int64_t inside_x = std::max<int64_t>(x, 0), inside_y = std::max<int64_t>(y, 0);
  const PixelBox inside{static_cast<int>(inside_x), static_cast<int>(inside_y),
                        static_cast<int>(std::min<int64_t>(how.width, new_w)),
                        static_cast<int>(std::min<int64_t>(how.height, new_h))};
  Image part = resize_part(image, static_cast<int>(new_w), static_cast<int>(new_h), how.interpolation, inside);
  if (part.width() == how.width && part.height() == how.height) return part;
  return crop(part, static_cast<int>(x - inside_x), static_cast<int>(y - inside_y), how.width, how.height);
}

/// The input that each of the 256 levels becomes.
std::array<float, 256> inputs_of_levels(const Preprocessing& how, size_t channel) {
  std::array<float, 256> inputs;
  for (int level = 0; level < 256; ++level)
    inputs[static_cast<size_t>(level)] =
        (static_cast<float>(level) * how.scale - how.mean[channel]) / how.stddev[channel];
  return inputs;
}

/// ITU-R BT.601 in 16 bits of fraction; a grey pixel keeps its level.
uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

}  // namespace

void preprocess(const Image& image, const Preprocessing& how, std::span<float> input) {
  validate(how);
  if (image.width() == 0) fail_input("cannot preprocess a picture without pixels");
  const size_t pixels = static_cast<size_t>(how.width) * static_cast<size_t>(how.height);
  const size_t numbers = pixels * static_cast<size_t>(how.channels());
  if (input.size() != numbers)
    fail_input("a picture of {} x {} makes {} numbers, there is room for {}", how.width, how.height, numbers,
               input.size());
  const Image picture = fitted(image, how);
  if (how.grey) {
    const std::array<float, 256> inputs = inputs_of_levels(how, 0);
    for (size_t i = 0; i < pixels; ++i) input[i] = inputs[luma(picture.data() + i * 3)];
    return;
  }
  for (size_t c = 0; c < 3; ++c) {
    const size_t plane = how.bgr ? 2 - c : c;
    const std::array<float, 256> inputs = inputs_of_levels(how, c);
    const uint8_t* level = picture.data() + c;
    float* to = input.data() + (how.channels_last ? plane : plane * pixels);
    const size_t step = how.channels_last ? 3 : 1;
    for (size_t i = 0; i < pixels; ++i) to[i * step] = inputs[level[i * 3]];
  }
}

std::vector<float> preprocess(const Image& image, const Preprocessing& how) {
  validate(how);
  std::vector<float> input(static_cast<size_t>(how.width) * static_cast<size_t>(how.height) *
                           static_cast<size_t>(how.channels()));
  preprocess(image, how, input);
  return input;
}

}  // namespace tercel

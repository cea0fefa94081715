#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "image/decode.h"

namespace tercel {
namespace {

/// A filter of radius `support`, for neighbours one pixel apart.
struct Filter {
  double support;
  double (*weight)(double distance);
};

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

/// Keys' cubic convolution (1981, equation 15), a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/// The source pixels that make destination pixel i along one axis, and their weights in fixed point.
/// Weights of all destination pixels lie one after the other, `stride` apart.
struct Taps {
  // The sum of 8-bit levels times weights must fit 32 bits, and a cubic's weights may add up to a little more than 1
  // before the negative ones are taken off: 8 bits for the levels, 2 for sign and excess. As in Pillow, whose rounding
  // this follows.
  static constexpr int kBits = 32 - 8 - 2;

  std::vector<int> first, count;
  std::vector<int32_t> weights;
  size_t stride = 0;

  /// Destination pixels begin .. begin + length of an axis resized from `src` pixels to `dst`.
  Taps(const Filter& filter, int src, int dst, int begin, int length) {
    const double scale = static_cast<double>(src) / dst;
    const double stretch = std::max(scale, 1.0);  // reducing: the filter covers what one destination pixel covers
    const double support = filter.support * stretch;
    stride = static_cast<size_t>(std::ceil(support)) * 2 + 1;
    first.resize(static_cast<size_t>(length));
    count.resize(static_cast<size_t>(length));
    weights.resize(static_cast<size_t>(length) * stride);
    std::vector<double> exact(stride);
    for (int i = 0; i < length; ++i) {
      const double centre = (begin + i + 0.5) * scale;
      const int low = static_cast<int>(std::max(centre - support + 0.5, 0.0));
      const int high = static_cast<int>(std::min(centre + support + 0.5, static_cast<double>(src)));
      const auto taps = static_cast<size_t>(high - low);
      double sum = 0;
      for (size_t t = 0; t < taps; ++t)
        sum += exact[t] = filter.weight((low + static_cast<double>(t) - centre + 0.5) * (1.0 / stretch));
      for (size_t t = 0; t < taps; ++t) {
        const double weight = (sum != 0 ? exact[t] * (1.0 / sum) : exact[t]) * (1 << kBits);
        weights[static_cast<size_t>(i) * stride + t] = static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
      }
      first[static_cast<size_t>(i)] = low;
      count[static_cast<size_t>(i)] = static_cast<int>(taps);
    }
  }

  const int32_t* of(int i) const { return weights.data() + static_cast<size_t>(i) * stride; }
};

constexpr int32_t kHalf = 1 << (Taps::kBits - 1);

uint8_t to_level(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> Taps::kBits, 0, 255)); }

/// Columns part.x ..., of source rows top .. top + rows.
Image resize_columns(const Image& src, const Filter& filter, int width, const PixelBox& part, int top, int rows) {
  const Taps taps(filter, src.width(), width, part.x, part.width);
  Image dst(part.width, rows);
  for (int y = 0; y < rows; ++y) {
    const uint8_t* in = src.row(top + y);
    uint8_t* out = dst.row(y);
    for (int x = 0; x < part.width; ++x, out += 3) {
      const int32_t* weight = taps.of(x);
      const uint8_t* pixel = in + 3 * static_cast<ptrdiff_t>(taps.first[static_cast<size_t>(x)]);
      int32_t r = kHalf, g = kHalf, b = kHalf;
      for (int t = taps.count[static_cast<size_t>(x)]; t > 0; --t, pixel += 3, ++weight) {
        r += pixel[0] * *weight;
        g += pixel[1] * *weight;
        b += pixel[2] * *weight;
      }
      out[0] = to_level(r);
      out[1] = to_level(g);
      out[2] = to_level(b);
    }
  }
  return dst;
}

/// Rows that `taps` say, from a source whose row 0 is row `top` of the picture they were made for.
Image resize_rows(const Image& src, const Taps& taps, int height, int top) {
  Image dst(src.width(), height);
  std::vector<int32_t> sums(static_cast<size_t>(src.width()) * 3);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const int32_t* weight = taps.of(y);
    for (int t = 0; t < taps.count[static_cast<size_t>(y)]; ++t) {
      const uint8_t* in = src.row(taps.first[static_cast<size_t>(y)] - top + t);
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += in[i] * weight[t];
    }
    uint8_t* out = dst.row(y);
    for (size_t i = 0; i < sums.size(); ++i) out[i] = to_level(sums[i]);
  }
  return dst;
}

Image resize_filtered(const Image& image, int width, int height, const Filter& filter, const PixelBox& part) {
  const Taps taps(filter, image.height(), height, part.y, part.height);
  const int top = taps.first.front();
  const int rows = taps.first.back() + taps.count.back() - top;
  return resize_rows(resize_columns(image, filter, width, part, top, rows), taps, part.height, top);
}

/// The source pixel under the middle of each destination pixel. The position is summed up step by step as Pillow does:
/// at exact ties the rounding of the sum decides, and then both must decide alike.
std::vector<int> nearest_pixels(int src, int dst, int begin, int length) {
  const double scale = static_cast<double>(src) / dst;
  std::vector<int> pixels(static_cast<size_t>(length));
  double at = scale * 0.5;
  for (int i = 0; i < begin; ++i) at += scale;
  for (int& pixel : pixels) {
    pixel = std::min(static_cast<int>(at), src - 1);
    at += scale;
  }
  return pixels;
}

Image resize_nearest(const Image& image, int width, int height, const PixelBox& part) {
  const std::vector<int> columns = nearest_pixels(image.width(), width, part.x, part.width);
  const std::vector<int> rows = nearest_pixels(image.height(), height, part.y, part.height);
  Image dst(part.width, part.height);
  for (int y = 0; y < part.height; ++y) {
    const uint8_t* in = image.row(rows[static_cast<size_t>(y)]);
    uint8_t* out = dst.row(y);
    for (const int column : columns) {
      std::memcpy(out, in + 3 * static_cast<ptrdiff_t>(column), 3);
      out += 3;
    }
  }
  return dst;
}

}  // namespace

Image image::resize_part(const Image& image, int width, int height, Interpolation interpolation, const PixelBox& part) {
  if (image.width() == 0) fail_input("cannot resize a picture without pixels");
  TERCEL_CHECK(part.x >= 0 && part.y >= 0 && part.width > 0 && part.height > 0 && part.width <= width - part.x &&
               part.height <= height - part.y);
  switch (interpolation) {
    case Interpolation::nearest: return resize_nearest(image, width, height, part);
    case Interpolation::bilinear: return resize_filtered(image, width, height, {1.0, triangle}, part);
    case Interpolation::bicubic: return resize_filtered(image, width, height, {2.0, cubic}, part);
  }
  fail_input("unknown interpolation {}", static_cast<int>(interpolation));
}

Image resize(const Image& image, int width, int height, Interpolation interpolation) {
  const PictureSize size = checked_size(width, height);
  return resize_part(image, width, height, interpolation, {0, 0, size.width, size.height});
}

}  // namespace tercel

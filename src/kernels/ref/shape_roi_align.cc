// RoiAlign (He et al. 2017, "Mask R-CNN"): a fixed grid of bins laid over regions of interest.
#include <algorithm>
#include <cmath>

#include "kernels/ref/convert.h"
#include "kernels/ref/shape.h"

namespace tercel::inline kernels {
namespace {

/// A sample between four elements; all weights are 0 outside the picture.
struct Sample {
  int64_t place[4] = {};
  double weight[4] = {};
};

Sample bilinear(double y, double x, int64_t h, int64_t w) {
  Sample sample;
  if (!(y >= -1 && y <= static_cast<double>(h) && x >= -1 && x <= static_cast<double>(w))) return sample;
  y = std::clamp(y, 0.0, static_cast<double>(h - 1));
  x = std::clamp(x, 0.0, static_cast<double>(w - 1));
  const auto top = static_cast<int64_t>(y), left = static_cast<int64_t>(x);
  const int64_t bottom = std::min(top + 1, h - 1), right = std::min(left + 1, w - 1);
  const double ty = y - static_cast<double>(top), tx = x - static_cast<double>(left);
  const int64_t place[4] = {top * w + left, top * w + right, bottom * w + left, bottom * w + right};
  const double weight[4] = {(1 - ty) * (1 - tx), (1 - ty) * tx, ty * (1 - tx), ty * tx};
  std::copy(std::begin(place), std::end(place), sample.place);
  std::copy(std::begin(weight), std::end(weight), sample.weight);
  return sample;
}

/// Samples per bin along one axis: as told, or one per element of the picture, which is none for a region without
/// extent or turned round. Bounded: a region is a stranger's number.
int64_t samples_per_bin(int64_t told, double bin) {
  if (told > 0) return told;
  const double count = std::ceil(bin);
  if (!(count <= 1024)) fail(ErrorCode::limit, "a bin of {} elements is too large", bin);
  return static_cast<int64_t>(std::max(count, 0.0));
}

void roi_align(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  const int64_t channels = src[0].dims[1], h = src[0].dims[2], w = src[0].dims[3];
  const int64_t regions = dst[0].dims[0], oh = dst[0].dims[2], ow = dst[0].dims[3];
  const bool half_pixel = attrs.get_string("coordinate_transformation_mode") == "half_pixel";
  const bool average = attrs.get_string("mode") == "avg";
  const double scale = attrs.get_float("spatial_scale"), offset = half_pixel ? 0.5 : 0.0;
  const std::vector<double> rois = read_doubles(src[1]);
  const std::vector<int64_t> batch = read_ints(src[2]);
  if (h == 0 || w == 0) fail_input("no picture in {}", to_string(src[0].dims));
  visit_dtype(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t r = 0; r < regions; ++r) {
      const double* roi = rois.data() + r * 4;  // x1 y1 x2 y2
      const int64_t n = checked_index(batch[static_cast<size_t>(r)], src[0].dims[0]);
      const double x0 = roi[0] * scale - offset, y0 = roi[1] * scale - offset;
      double width = roi[2] * scale - offset - x0, height = roi[3] * scale - offset - y0;
      if (!half_pixel) {  // the old form makes empty regions one element large
        width = std::max(width, 1.0);
        height = std::max(height, 1.0);
      }
      const double bin_h = height / static_cast<double>(oh), bin_w = width / static_cast<double>(ow);
      const int64_t per_y = samples_per_bin(attrs.get_int("sampling_ratio"), bin_h);
      const int64_t per_x = samples_per_bin(attrs.get_int("sampling_ratio"), bin_w);
      std::vector<Sample> samples(static_cast<size_t>(per_y * per_x));
      for (int64_t i = 0; i < oh; ++i)
        for (int64_t j = 0; j < ow; ++j) {
          for (int64_t s = 0; s < per_y * per_x; ++s) {
            const double sy = (static_cast<double>(s / per_x) + 0.5) / static_cast<double>(per_y);
            const double sx = (static_cast<double>(s % per_x) + 0.5) / static_cast<double>(per_x);
            samples[static_cast<size_t>(s)] =
                bilinear(y0 + (static_cast<double>(i) + sy) * bin_h, x0 + (static_cast<double>(j) + sx) * bin_w, h, w);
          }
          for (int64_t c = 0; c < channels; ++c) {
            const T* plane = src[0].as<T>() + (n * channels + c) * h * w;
            double sum = 0, largest = -HUGE_VAL;
            for (const Sample& sample : samples) {
              double value = 0, top = -HUGE_VAL;
              for (int k = 0; k < 4; ++k) {
                const double part = sample.weight[k] * static_cast<double>(plane[sample.place[k]]);
                value += part;
                top = std::max(top, part);
              }
              sum += value;
              largest = std::max(largest, top);
            }
            const double mean_or_largest = average ? sum / static_cast<double>(samples.size()) : largest;
            const double result = samples.empty() ? 0 : mean_or_largest;
            dst[0].as<T>()[((r * channels + c) * oh + i) * ow + j] = convert<T>(result);
          }
        }
    }
  });
}

}  // namespace

std::vector<RefEntry> roi_align_refs() { return {{"RoiAlign", roi_align}}; }

}  // namespace tercel::inline kernels

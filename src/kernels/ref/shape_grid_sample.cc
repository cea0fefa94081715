// GridSample: reading a picture (or volume) at places given by a grid.
#include <algorithm>
#include <cmath>

#include "kernels/ref/convert.h"
#include "kernels/ref/copy.h"
#include "kernels/ref/cubic.h"
#include "kernels/ref/shape.h"

namespace tercel::inline kernels {
namespace {

enum class Mode { nearest, linear, cubic };
enum class Padding { zeros, border, reflection };

/// The samples along one axis that a place is the weighted sum of; index kNowhere is a zero.
struct Neighbours {
  int count = 0;
  int64_t index[4];
  double weight[4];
};

/// x mirrored at low and high until it lies between them.
double reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double phase = std::fmod(std::abs(x - low), 2 * range);
  return low + (phase <= range ? phase : 2 * range - phase);
}

struct Sampler {
  Mode mode;
  Padding padding;
  bool align_corners;

  /// Grid coordinate to position: -1 and 1 are the centres of the outermost elements, or their outer edges.
  double position(double grid, int64_t extent) const {
    const auto size = static_cast<double>(extent);
    return align_corners ? (grid + 1) / 2 * (size - 1) : ((grid + 1) * size - 1) / 2;
  }

  /// Where position x reads, after padding; x may be anything, NaN too (which reads element 0 or nothing).
  int64_t padded(double x, int64_t extent) const {
    const auto last = static_cast<double>(extent - 1);
    if (padding == Padding::zeros) return x >= 0 && x <= last ? static_cast<int64_t>(x) : kNowhere;
    if (padding == Padding::reflection) x = align_corners ? reflect(x, 0, last) : reflect(x, -0.5, last + 0.5);
    if (!(x > 0)) return 0;
    return static_cast<int64_t>(std::round(std::min(x, last)));
  }

  Neighbours neighbours(double grid, int64_t extent) const {
    double x = position(grid, extent);
    const auto last = static_cast<double>(extent - 1);
    if (mode != Mode::cubic && padding != Padding::zeros) {  // the place moves inside, then it is read
      if (padding == Padding::reflection) x = align_corners ? reflect(x, 0, last) : reflect(x, -0.5, last + 0.5);
      x = x > 0 ? std::min(x, last) : 0;
    }
    Neighbours near;
    const auto add = [&](double at, double weight) {
      near.index[near.count] = padded(at, extent);
      near.weight[near.count++] = weight;
    };
    const double base = std::floor(x), t = x - base;
    switch (mode) {
      case Mode::nearest: add(std::nearbyint(x), 1); break;
      case Mode::linear:
        add(base, 1 - t);
        add(base + 1, t);
        break;
      case Mode::cubic:
        for (int k = -1; k <= 2; ++k) add(base + k, cubic_weight(std::abs(t - k), -0.75));
        break;
    }
    return near;
  }
};

/// Sum over the neighbours of all axes from `axis` on; place is the offset that the axes before have fixed.
template <typename T>
double sample(const T* plane, const std::vector<Neighbours>& near, const Dims& strides, size_t axis, int64_t place) {
  if (axis == near.size()) return static_cast<double>(plane[place]);
  double sum = 0;
  for (int k = 0; k < near[axis].count; ++k) {
    if (near[axis].index[k] == kNowhere) continue;
    const double value = sample(plane, near, strides, axis + 1, place + near[axis].index[k] * strides[axis]);
    sum += near[axis].weight[k] * value;
  }
  return sum;
}

void grid_sample(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (dst[0].elements() == 0) return;
  const std::string& mode = attrs.get_string("mode");
  const std::string& padding = attrs.get_string("padding_mode");
  const Sampler sampler{mode == "nearest"                      ? Mode::nearest
                        : mode == "cubic" || mode == "bicubic" ? Mode::cubic
                                                               : Mode::linear,
                        padding == "zeros"    ? Padding::zeros
                        : padding == "border" ? Padding::border
                                              : Padding::reflection,
                        attrs.get_bool("align_corners")};
  const Dims extents(src[0].dims.begin() + 2, src[0].dims.end());
  const int64_t plane = count_elements(extents);
  const Dims strides = row_major_strides(extents);
  const int64_t batch = src[0].dims[0], channels = src[0].dims[1];
  const int64_t places = count_elements(Dims(dst[0].dims.begin() + 2, dst[0].dims.end()));
  const size_t axes = extents.size();
  const std::vector<double> grid = read_doubles(src[1]);
  if (plane == 0) fail_input("nothing to sample in {}", to_string(src[0].dims));
  std::vector<Neighbours> near(axes);
  visit_dtype(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t p = 0; p < places; ++p) {
        const double* at = grid.data() + static_cast<size_t>(n * places + p) * axes;
        for (size_t axis = 0; axis < axes; ++axis)  // the grid names the innermost axis first
          near[axis] = sampler.neighbours(at[axes - 1 - axis], extents[axis]);
        for (int64_t c = 0; c < channels; ++c) {
          const T* from = src[0].as<T>() + (n * channels + c) * plane;
          dst[0].as<T>()[(n * channels + c) * places + p] = convert<T>(sample(from, near, strides, 0, 0));
        }
      }
  });
}

}  // namespace

std::vector<RefEntry> grid_sample_refs() { return {{"GridSample", grid_sample}}; }

}  // namespace tercel::inline kernels

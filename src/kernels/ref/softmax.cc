#include "kernels/ref/axes.h"
#include "kernels/ref/number.h"
#include "kernels/ref/reduce_parts.h"

namespace tercel::inline kernels {
namespace {

/// f(line) changes a line of doubles in place, for every line along the axis.
template <typename F>
void map_lines(const Attrs& attrs, const View& src, const View& dst, F&& f) {
  const AxisSplit split(src.dims, attrs.get_int("axis"));
  visit_float(src.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> line;
    split.for_each_line([&](int64_t first) {
      line.clear();
      for (int64_t i = 0; i < split.extent; ++i) line.push_back(to_double(src.as<T>()[first + i * split.inner]));
      f(line);
      for (int64_t i = 0; i < split.extent; ++i)
        dst.as<T>()[first + i * split.inner] = convert<T>(line[static_cast<size_t>(i)]);
    });
  });
}

/// Takes the largest away from every value, which leaves softmax as it is and keeps exp from overflowing; returns the
/// sum of the exponentials.
double centre(std::vector<double>& line) {
  const double largest = *std::max_element(line.begin(), line.end());
  double sum = 0;
  for (double& value : line) sum += std::exp(value -= largest);
  return sum;
}

void softmax(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  map_lines(attrs, src[0], dst[0], [](std::vector<double>& line) {
    const double sum = centre(line);
    for (double& value : line) value = std::exp(value) / sum;
  });
}

void log_softmax(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  map_lines(attrs, src[0], dst[0], [](std::vector<double>& line) {
    const double log_sum = std::log(centre(line));
    for (double& value : line) value -= log_sum;
  });
}

/// 1 at the first of the largest, 0 elsewhere.
void hardmax(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  map_lines(attrs, src[0], dst[0], [](std::vector<double>& line) {
    const auto largest = std::max_element(line.begin(), line.end()) - line.begin();
    std::fill(line.begin(), line.end(), 0.0);
    line[static_cast<size_t>(largest)] = 1;
  });
}

}  // namespace

std::vector<RefEntry> softmax_refs() {
  return {{"Softmax", softmax}, {"LogSoftmax", log_softmax}, {"Hardmax", hardmax}};
}

}  // namespace tercel::inline kernels

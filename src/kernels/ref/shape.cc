#include "kernels/ref/shape.h"

#include <numeric>

namespace tercel::inline kernels {
namespace {

template <typename N>
std::vector<N> read_numbers(const View& view) {
  if (!view) return {};
  return visit_dtype(view.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = view.as<T>();
    std::vector<N> values(static_cast<size_t>(view.elements()));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<N>(from[i]);
    return values;
  });
}

}  // namespace

std::vector<int64_t> read_ints(const View& view) {
  TERCEL_CHECK(!is_float(view.dtype), "{} where integers are wanted", to_string(view.dtype));
  return read_numbers<int64_t>(view);
}

std::vector<double> read_doubles(const View& view) { return read_numbers<double>(view); }

std::vector<int64_t> axes_or_all(const std::vector<int64_t>* given, int64_t rank) {
  std::vector<int64_t> axes;
  if (given == nullptr) {
    axes.resize(static_cast<size_t>(rank));
    std::iota(axes.begin(), axes.end(), 0);
  } else {
    for (int64_t axis : *given) axes.push_back(normalize_axis(axis, rank));
  }
  return axes;
}

std::vector<RefEntry> shape_refs() {
  std::vector<RefEntry> all;
  for (auto part :
       {reshape_refs, generate_refs, cut_refs, gather_refs, select_refs, resize_refs, grid_sample_refs, roi_align_refs})
    for (const RefEntry& entry : part()) all.push_back(entry);
  return all;
}

}  // namespace tercel::inline kernels

// Operators whose results have a size that depends on the elements.
#include "kernels/ref/axes.h"
#include "kernels/ref/copy.h"
#include "kernels/ref/shape.h"
#include "tensor/distinct.h"
#include "tensor/suppress.h"

namespace tercel::inline kernels {
namespace {

/// Places of elements that are not zero, in row-major order; one column per element, one row per axis.
void non_zero(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const int64_t columns = dst[0].dims[1];
  int64_t* to = dst[0].as<int64_t>();
  int64_t column = 0;
  visit_dtype(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = src[0].as<T>();
    for (int64_t i = 0, count = src[0].elements(); i < count; ++i) {
      if (from[i] == T{}) continue;
      TERCEL_CHECK(column < columns);
      int64_t rest = i;
      for (size_t axis = src[0].dims.size(); axis-- > 0;) {
        to[static_cast<int64_t>(axis) * columns + column] = rest % src[0].dims[axis];
        rest /= src[0].dims[axis];
      }
      ++column;
    }
  });
  TERCEL_CHECK(column == columns);
}

void compress(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  AxisSplit from(Dims{src[0].elements()}, 0);
  int64_t kept = dst[0].elements();
  if (attrs.has("axis")) {
    const int64_t axis = normalize_axis(attrs.get_int("axis"), src[0].rank());
    from = AxisSplit(src[0].dims, axis);
    kept = dst[0].dims[static_cast<size_t>(axis)];
  }
  const std::vector<int64_t> condition = read_ints(src[1]);
  int64_t place = 0;
  for (size_t i = 0; i < condition.size(); ++i) {
    if (condition[i] == 0) continue;
    const auto taken = static_cast<int64_t>(i);
    if (taken >= from.extent) fail_input("condition chooses element {} of {}", taken, from.extent);
    TERCEL_CHECK(place < kept);
    for (int64_t o = 0; o < from.outer && dst[0].elements() > 0; ++o)
      copy_run(dst[0], (o * kept + place) * from.inner, src[0], (o * from.extent + taken) * from.inner, from.inner);
    ++place;
  }
  TERCEL_CHECK(place == kept);
}

void unique(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  std::optional<int64_t> axis;
  AxisSplit from(Dims{src[0].elements()}, 0);
  if (attrs.has("axis")) {
    axis = normalize_axis(attrs.get_int("axis"), src[0].rank());
    from = AxisSplit(src[0].dims, *axis);
  }
  const Distinct groups = find_distinct(src[0], axis, attrs.get_bool("sorted"));
  const auto count = static_cast<int64_t>(groups.first.size());
  for (int64_t o = 0; o < from.outer && dst[0] && dst[0].elements() > 0; ++o)
    for (int64_t i = 0; i < count; ++i)
      copy_run(dst[0], (o * count + i) * from.inner, src[0],
               (o * from.extent + groups.first[static_cast<size_t>(i)]) * from.inner, from.inner);
  const auto give = [&](size_t result, const std::vector<int64_t>& values) {
    const View to = operand(dst, result);
    if (!to) return;
    TERCEL_CHECK(to.elements() == static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), to.as<int64_t>());
  };
  give(1, groups.first);
  give(2, groups.inverse);
  give(3, groups.count);
}

void non_max_suppression(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const View most = operand(src, 2), iou = operand(src, 3), score = operand(src, 4);
  const auto chosen =
      suppress_boxes(src[0], src[1],
                     {attrs.get_bool("center_point_box"), most ? *most.as<int64_t>() : 0, iou ? *iou.as<float>() : 0,
                      static_cast<bool>(score), score ? *score.as<float>() : 0});
  TERCEL_CHECK(dst[0].dims[0] == static_cast<int64_t>(chosen.size()));
  int64_t* to = dst[0].as<int64_t>();
  for (const auto& row : chosen) to = std::copy(row.begin(), row.end(), to);
}

}  // namespace

std::vector<RefEntry> select_refs() {
  return {
      {"Compress", compress}, {"NonMaxSuppression", non_max_suppression}, {"NonZero", non_zero}, {"Unique", unique}};
}

}  // namespace tercel::inline kernels

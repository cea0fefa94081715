#include "tensor/distinct.h"

#include <algorithm>
#include <numeric>

#include "base/bits.h"
#include "base/error.h"

namespace tercel::inline tensor {
namespace {

/// -1, 0, 1; NaN is equal to itself and above every number, which makes the order total.
template <typename T>
int compare(T a, T b) {
  if (a < b) return -1;
  if (b < a) return 1;
  return (a != a) - (b != b);
}

}  // namespace

Distinct find_distinct(const View& x, std::optional<int64_t> axis, bool sorted) {
  // Slice s consists of `outer` runs of `inner` elements.
  int64_t outer = 1, slices = x.elements(), inner = 1;
  if (axis) {
    const auto at = x.dims.begin() + *axis;
    outer = count_elements(Dims(x.dims.begin(), at));
    slices = *at;
    inner = count_elements(Dims(at + 1, x.dims.end()));
  }
  if (outer == 0) inner = 0;
  // Slices without elements cost their owner nothing, but would cost us an entry each.
  if (inner == 0 && slices > (1 << 24)) fail(ErrorCode::limit, "{} slices without elements", slices);
  return visit_dtype(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto element = [&](int64_t slice, int64_t run, int64_t i) {
      return load_unaligned<T>(x.data + static_cast<size_t>((run * slices + slice) * inner + i) * sizeof(T));
    };
    const auto order_of = [&](int64_t a, int64_t b) {
      for (int64_t run = 0; run < outer && inner > 0; ++run)
        for (int64_t i = 0; i < inner; ++i)
          if (const int order = compare(element(a, run, i), element(b, run, i)); order != 0) return order;
      return 0;
    };
    std::vector<int64_t> order(static_cast<size_t>(slices));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return order_of(a, b) < 0; });

    Distinct groups;
    groups.inverse.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      if (i == 0 || order_of(order[i - 1], order[i]) != 0) {
        groups.first.push_back(order[i]);  // the sort is stable, so the first of a group is the earliest
        groups.count.push_back(0);
      }
      ++groups.count.back();
      groups.inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(groups.first.size()) - 1;
    }
    if (sorted) return groups;

    std::vector<size_t> by_first(groups.first.size());
    std::iota(by_first.begin(), by_first.end(), size_t{0});
    std::sort(by_first.begin(), by_first.end(), [&](size_t a, size_t b) { return groups.first[a] < groups.first[b]; });
    Distinct renamed = groups;
    std::vector<int64_t> new_name(by_first.size());
    for (size_t i = 0; i < by_first.size(); ++i) {
      renamed.first[i] = groups.first[by_first[i]];
      renamed.count[i] = groups.count[by_first[i]];
      new_name[by_first[i]] = static_cast<int64_t>(i);
    }
    for (int64_t& group : renamed.inverse) group = new_name[static_cast<size_t>(group)];
    return renamed;
  });
}

}  // namespace tercel::inline tensor

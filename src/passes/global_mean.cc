#include "passes/global_mean.h"

#include <algorithm>
#include <set>

namespace tercel::inline passes {
namespace {

bool all_are(const Node& node, std::string_view name, int64_t wanted) {
  if (!node.attrs.has(name)) return true;
  const std::vector<int64_t>& numbers = node.attrs.get_ints(name);
  return std::all_of(numbers.begin(), numbers.end(), [&](int64_t number) { return number == wanted; });
}

bool takes_whole_map(const Node& pool, const Dims& dims) {
  const std::vector<int64_t>& window = pool.attrs.get_ints("kernel_shape");
  if (!std::equal(window.begin(), window.end(), dims.begin() + 2, dims.end())) return false;
  const bool padded = pool.attrs.has("auto_pad") && pool.attrs.get_string("auto_pad").starts_with("SAME");
  return !padded && all_are(pool, "pads", 0) && all_are(pool, "dilations", 1);
}

}  // namespace

bool is_global_mean(const Node& node) {
  if (node.is("GlobalAveragePool")) return true;
  if (!node.is("ReduceMean") && !node.is("AveragePool")) return false;
  const ValueType& type = node.input(0)->type;
  if (!type.ranked || type.dims.size() < 3) return false;
  if (node.is("AveragePool")) return takes_whole_map(node, type.dims);
  if (node.input(1) == nullptr || !node.input(1)->is_constant()) return false;
  const auto rank = static_cast<int64_t>(type.dims.size());
  std::set<int64_t> axes;
  for (int64_t axis : node.input(1)->constant.to_ints()) axes.insert(axis < 0 ? axis + rank : axis);
  return static_cast<int64_t>(axes.size()) == rank - 2 && *axes.begin() == 2 && *axes.rbegin() == rank - 1;
}

}  // namespace tercel::inline passes

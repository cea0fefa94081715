#include "tensor/shape.h"

#include <algorithm>

#include "base/bits.h"
#include "base/error.h"

namespace tercel::inline tensor {

bool all_known(std::span<const int64_t> dims) {
  return std::all_of(dims.begin(), dims.end(), [](int64_t d) { return d >= 0; });
}

int64_t count_elements(std::span<const int64_t> dims) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t d : dims) {
    if (d < 0) fail_input("shape {} has a negative or unknown extent", to_string(dims));
    if (d == 0) {
      empty = true;
      continue;
    }
    const auto product = checked_mul(count, d);
    if (!product || *product > kMaxElements) fail(ErrorCode::limit, "shape {} has too many elements", to_string(dims));
    count = *product;
  }
  return empty ? 0 : count;
}

Dims row_major_strides(std::span<const int64_t> dims) {
  Dims strides(dims.size());
  int64_t step = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = step;
    step *= dims[i];
  }
  return strides;
}

std::optional<Dims> broadcast(std::span<const int64_t> a, std::span<const int64_t> b) {
  Dims out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {  // i counts from the innermost axis
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    int64_t extent;
    if (x == y) extent = x;
    else if (x == 1) extent = y;
    else if (y == 1) extent = x;
    else if (x == kUnknown) extent = y;
    else if (y == kUnknown) extent = x;
    else return std::nullopt;
    out[out.size() - 1 - i] = extent;
  }
  return out;
}

std::string to_string(std::span<const int64_t> dims) {
  if (dims.empty()) return "scalar";
  std::string text;
  for (int64_t d : dims) {
    if (!text.empty()) text += 'x';
    text += d == kUnknown ? std::string("?") : std::to_string(d);
  }
  return text;
}

int64_t normalize_axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) fail_input("axis {} is outside [{}, {}) for rank {}", axis, -rank, rank, rank);
  return axis < 0 ? axis + rank : axis;
}

}  // namespace tercel::inline tensor

#include "tensor/narrow.h"

#include <cmath>
#include <cstring>

#include "base/check.h"

namespace tercel::inline tensor {
namespace {

constexpr float kLargestHalf = 65504, kLargestBFloat16 = 0x1.FEp127f;

template <typename T>
inline constexpr bool kFloating =
    std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

template <typename T>
T rounded(float value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    constexpr float kLargest = std::is_same_v<T, Half> ? kLargestHalf : kLargestBFloat16;
    if (std::fabs(value) > kLargest && std::isfinite(value)) return T(std::copysign(kLargest, value));
  }
  return T(value);
}

template <typename F>
void visit_floating(DType dtype, F&& f) {
  TERCEL_CHECK(is_float(dtype));
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (kFloating<T>) f(tag);
  });
}

}  // namespace

void narrow(std::span<const float> values, DType dtype, std::byte* out) {
  visit_floating(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (size_t i = 0; i < values.size(); ++i) {
      const T value = rounded<T>(values[i]);
      std::memcpy(out + i * sizeof(T), &value, sizeof(T));
    }
  });
}

std::vector<float> to_floats(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  if (values.empty()) return values;
  const std::byte* from = tensor.data();
  visit_floating(tensor.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (size_t i = 0; i < values.size(); ++i) {
      T value;
      std::memcpy(&value, from + i * sizeof(T), sizeof(T));
      values[i] = static_cast<float>(value);
    }
  });
  return values;
}

}  // namespace tercel::inline tensor

// Comparisons, truth values, bits, and the choice between two values.
#include <cstring>

#include "kernels/ref/copy.h"
#include "kernels/ref/elementwise.h"

namespace tercel::inline kernels {
namespace {

/// Shifting by the width of the type or more gives 0 rather than what the machine happens to do.
template <Whole T>
T shift(T value, T by, bool left) {
  constexpr auto kWidth = static_cast<T>(sizeof(T) * 8);
  if (by >= kWidth) return 0;
  const auto wide = static_cast<uint64_t>(value);
  return static_cast<T>(left ? wide << by : wide >> by);
}

void bit_shift(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const bool left = attrs.get_string("direction") == "LEFT";
  map_binary(src[0], src[1], dst[0], [left](std::unsigned_integral auto value, std::unsigned_integral auto by) {
    if constexpr (Whole<decltype(value)>) return shift(value, by, left);
    else return value;
  });
}

void where(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const Bool* condition = src[0].as<Bool>();
  std::array<Dims, 3> strides;
  for (size_t k = 0; k < 3; ++k) strides[k] = broadcast_strides(src[k].dims, dst[0].dims);
  visit_width(size_of(dst[0].dtype), [&](auto width) {
    walk(dst[0].dims, strides, [&](int64_t i, const auto& at) {
      const bool chosen = condition[at[0]];
      copy_element<width>(dst[0], i, chosen ? src[1] : src[2], chosen ? at[1] : at[2]);
    });
  });
}

template <typename T>
concept Truth = std::same_as<T, bool>;

}  // namespace

std::vector<RefEntry> logic_refs() {
  return {
      {"BitShift", bit_shift},
      {"Where", where},
      binary_ref("And", [](Truth auto a, Truth auto b) { return a && b; }),
      binary_ref("Or", [](Truth auto a, Truth auto b) { return a || b; }),
      binary_ref("Xor", [](Truth auto a, Truth auto b) { return a != b; }),
      unary_ref("Not", [](Truth auto x) { return !x; }),
      binary_ref("BitwiseAnd", [](Whole auto a, Whole auto b) { return static_cast<decltype(a)>(a & b); }),
      binary_ref("BitwiseOr", [](Whole auto a, Whole auto b) { return static_cast<decltype(a)>(a | b); }),
      binary_ref("BitwiseXor", [](Whole auto a, Whole auto b) { return static_cast<decltype(a)>(a ^ b); }),
      unary_ref("BitwiseNot", [](Whole auto x) { return static_cast<decltype(x)>(~x); }),
      binary_ref("Equal", [](auto a, auto b) { return a == b; }),
      binary_ref("Greater", [](Number auto a, Number auto b) { return a > b; }),
      binary_ref("GreaterOrEqual", [](Number auto a, Number auto b) { return a >= b; }),
      binary_ref("Less", [](Number auto a, Number auto b) { return a < b; }),
      binary_ref("LessOrEqual", [](Number auto a, Number auto b) { return a <= b; }),
  };
}

}  // namespace tercel::inline kernels

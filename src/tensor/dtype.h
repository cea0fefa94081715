// Element types (DType itself is public: tercel/array.h) and the C++ types that store them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "base/check.h"
#include "tercel/array.h"

namespace tercel::inline tensor {

/// IEEE 754 binary16, as storage; arithmetic happens in float.
struct Half {
  uint16_t bits = 0;
  Half() = default;
  explicit Half(float value);
  operator float() const;
};

/// The upper half of a binary32, as storage.
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value);  // round to nearest even; NaN stays NaN
  operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

/// ONNX bool: one byte, zero is false.
struct Bool {
  uint8_t byte = 0;
  Bool() = default;
  explicit Bool(bool value) : byte(value) {}
  operator bool() const { return byte != 0; }
};

/// DType::none where the word is unknown.
DType parse_dtype(std::string_view word);

inline bool is_float(DType d) { return d == DType::f32 || d == DType::f64 || d == DType::f16 || d == DType::bf16; }
inline bool is_integer(DType d) { return d >= DType::i8 && d <= DType::u64; }
inline bool is_signed(DType d) {
  return is_float(d) || d == DType::i8 || d == DType::i16 || d == DType::i32 || d == DType::i64;
}

template <typename T>
struct Tag {
  using type = T;
};

template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  else if constexpr (std::is_same_v<T, double>) return DType::f64;
  else if constexpr (std::is_same_v<T, Half>) return DType::f16;
  else if constexpr (std::is_same_v<T, BFloat16>) return DType::bf16;
  else if constexpr (std::is_same_v<T, int8_t>) return DType::i8;
  else if constexpr (std::is_same_v<T, uint8_t>) return DType::u8;
  else if constexpr (std::is_same_v<T, int16_t>) return DType::i16;
  else if constexpr (std::is_same_v<T, uint16_t>) return DType::u16;
  else if constexpr (std::is_same_v<T, int32_t>) return DType::i32;
  else if constexpr (std::is_same_v<T, uint32_t>) return DType::u32;
  else if constexpr (std::is_same_v<T, int64_t>) return DType::i64;
  else if constexpr (std::is_same_v<T, uint64_t>) return DType::u64;
  else {
    static_assert(std::is_same_v<T, Bool>);
    return DType::boolean;
  }
}

/// Calls f(Tag<T>{}) with the C++ type that stores `dtype`.
template <typename F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f(Tag<float>{});
    case DType::f64: return f(Tag<double>{});
    case DType::f16: return f(Tag<Half>{});
    case DType::bf16: return f(Tag<BFloat16>{});
    case DType::i8: return f(Tag<int8_t>{});
    case DType::u8: return f(Tag<uint8_t>{});
    case DType::i16: return f(Tag<int16_t>{});
    case DType::u16: return f(Tag<uint16_t>{});
    case DType::i32: return f(Tag<int32_t>{});
    case DType::u32: return f(Tag<uint32_t>{});
    case DType::i64: return f(Tag<int64_t>{});
    case DType::u64: return f(Tag<uint64_t>{});
    case DType::boolean: return f(Tag<Bool>{});
    case DType::none: break;
  }
  raise_bug(__FILE__, __LINE__, "dtype", "visit_dtype of no type");
}

}  // namespace tercel::inline tensor

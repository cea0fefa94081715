#include "tensor/dtype.h"

#include <array>
#include <cmath>

namespace tercel {
namespace {

struct DTypeInfo {
  std::string_view word;
  size_t size;
};
constexpr std::array<DTypeInfo, 14> kInfo = {{{"none", 0},
                                              {"f32", 4},
                                              {"f64", 8},
                                              {"f16", 2},
                                              {"bf16", 2},
                                              {"i8", 1},
                                              {"u8", 1},
                                              {"i16", 2},
                                              {"u16", 2},
                                              {"i32", 4},
                                              {"u32", 4},
                                              {"i64", 8},
                                              {"u64", 8},
                                              {"bool", 1}}};

}  // namespace

size_t size_of(DType dtype) { return kInfo[static_cast<size_t>(dtype)].size; }
std::string_view to_string(DType dtype) { return kInfo[static_cast<size_t>(dtype)].word; }

DType tensor::parse_dtype(std::string_view word) {
  for (size_t i = 1; i < kInfo.size(); ++i)
    if (kInfo[i].word == word) return static_cast<DType>(i);
  return DType::none;
}

Half::Half(float value) {
  const uint32_t f = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (f >> 16) & 0x8000u;
  const uint32_t magnitude = f & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) {  // NaN: keep it quiet
    bits = static_cast<uint16_t>(sign | 0x7E00u);
  } else if (magnitude >= 0x477FF000u) {  // rounds to 65536 or more: infinity
    bits = static_cast<uint16_t>(sign | 0x7C00u);
  } else if (magnitude >= 0x38800000u) {  // normal: rebias by 127 - 15, round to nearest even
    const uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
    bits = static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
  } else {  // subnormal: the unit is 2^-24; nearbyint rounds to even
    const float units = std::nearbyint(std::bit_cast<float>(magnitude) * 0x1p24f);
    bits = static_cast<uint16_t>(sign | static_cast<uint32_t>(units));
  }
}

Half::operator float() const {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1Fu;
  const uint32_t mantissa = bits & 0x3FFu;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

BFloat16::BFloat16(float value) {
  const uint32_t f = std::bit_cast<uint32_t>(value);
  if ((f & 0x7FFFFFFFu) > 0x7F800000u) {
    bits = static_cast<uint16_t>((f >> 16) | 0x40u);
  } else {
    bits = static_cast<uint16_t>((f + 0x7FFFu + ((f >> 16) & 1u)) >> 16);
  }
}

}  // namespace tercel

#include <cstring>
#include <vector>

#include "base/check.h"
#include "codec/codec.h"
#include "codec/elements.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {

std::string encode_elements(std::span<const std::byte> elements, DType dtype) {
  std::string out;
  if (elements.empty()) return out;
  FieldWriter write(out);
  const bool floating = is_float(dtype);
  visit_bits(dtype, [&]<typename T>(T) {
    TERCEL_CHECK(elements.size() % sizeof(T) == 0);
    std::vector<std::byte> plane(elements.size() / sizeof(T));
    for (size_t p = 0; p < sizeof(T); ++p) {
      for (size_t i = 0; i < plane.size(); ++i) {
        T bits;
        std::memcpy(&bits, &elements[i * sizeof(T)], sizeof(T));
        plane[i] = static_cast<std::byte>(rotated(bits, floating) >> plane_shift<T>(p));
      }
      const std::string coded = encode_bytes(plane);
      auto length = static_cast<int64_t>(coded.size());
      write.number("plane length", length, length);
      out += coded;
    }
  });
  return out;
}

std::string encode_floats(std::span<const float> values) { return encode_elements(std::as_bytes(values), DType::f32); }

}  // namespace tercel::codec

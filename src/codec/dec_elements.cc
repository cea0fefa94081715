#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "codec/codec.h"
#include "codec/elements.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {

void decode_elements(std::span<const std::byte> bytes, DType dtype, std::span<std::byte> elements) {
  if (elements.empty()) {
    if (!bytes.empty()) fail_input("{} bytes for no elements", bytes.size());
    return;
  }
  FieldReader read(bytes);
  const bool floating = is_float(dtype);
  visit_bits(dtype, [&]<typename T>(T) {
    TERCEL_CHECK(elements.size() % sizeof(T) == 0);
    std::vector<T> bits(elements.size() / sizeof(T));
    for (size_t p = 0; p < sizeof(T); ++p)
      at_place([&] { return fmt::format("plane {} of {}", p + 1, sizeof(T)); },
               [&] {
                 int64_t length = 0;
                 read.number("plane length", length, static_cast<int64_t>(bytes.size()));
                 const auto plane = decode_bytes(read.take(length, "its body"), bits.size());
                 for (size_t i = 0; i < plane.size(); ++i)
                   bits[i] = static_cast<T>(bits[i] | static_cast<T>(static_cast<T>(plane[i]) << plane_shift<T>(p)));
               });
    if (!read.rest().empty()) fail_input("{} bytes behind the last plane", read.rest().size());
    for (T& x : bits) x = rotated_back(x, floating);
    std::memcpy(elements.data(), bits.data(), elements.size());
  });
}

void decode_floats(std::span<const std::byte> bytes, std::span<float> values) {
  decode_elements(bytes, DType::f32, std::as_writable_bytes(values));
}

}  // namespace tercel::codec

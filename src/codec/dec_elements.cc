#include <vector>

#include "base/error.h"
#include "codec/codec.h"
#include "codec/floats.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {

void decode_floats(std::span<const std::byte> bytes, std::span<float> values) {
  if (values.empty()) {
    if (!bytes.empty()) fail_input("{} bytes for no floats", bytes.size());
    return;
  }
  FieldReader read(bytes);
  std::vector<uint32_t> turned_values(values.size());
  for (int p = 0; p < kFloatPlanes; ++p)
    at_place([&] { return fmt::format("plane {} of {}", p + 1, kFloatPlanes); },
             [&] {
               int64_t length = 0;
               read.number("plane length", length, static_cast<int64_t>(bytes.size()));
               const auto plane = decode_bytes(read.take(length, "its body"), values.size());
               for (size_t i = 0; i < plane.size(); ++i)
                 turned_values[i] |= static_cast<uint32_t>(plane[i]) << plane_shift(p);
             });
  if (!read.rest().empty()) fail_input("{} bytes behind the last plane", read.rest().size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = turned_back(turned_values[i]);
}

}  // namespace tercel::codec

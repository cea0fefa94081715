#include <vector>

#include "codec/codec.h"
#include "codec/floats.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {

std::string encode_floats(std::span<const float> values) {
  std::string out;
  if (values.empty()) return out;
  FieldWriter write(out);
  std::vector<std::byte> plane(values.size());
  for (int p = 0; p < kFloatPlanes; ++p) {
    for (size_t i = 0; i < plane.size(); ++i) plane[i] = static_cast<std::byte>(turned(values[i]) >> plane_shift(p));
    const std::string coded = encode_bytes(plane);
    auto length = static_cast<int64_t>(coded.size());
    write.number("plane length", length, length);
    out += coded;
  }
  return out;
}

}  // namespace tercel::codec

#include <algorithm>

#include "base/error.h"
#include "codec/cabac/dec_range.h"
#include "codec/codec.h"
#include "codec/frame.h"
#include "codec/rans/dec_rans.h"
#include "codec/syntax/bytes.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {

std::vector<std::byte> decode_bytes(std::span<const std::byte> bytes, size_t expected_size) {
  if (expected_size == 0) {
    if (!bytes.empty()) fail_input("{} bytes that hold none", bytes.size());
    return {};
  }
  FieldReader read(bytes);
  BytesHead head;
  visit_bytes_head(read, head);
  if (bytes_crc(expected_size, head.mode, read.rest()) != head.crc)
    fail_input("the checksum does not match: damaged, or not {} bytes", expected_size);
  std::vector<std::byte> out;
  if (head.mode == BytesMode::raw) {
    if (read.rest().size() != expected_size)
      fail_input("{} stored bytes where {} were expected", read.rest().size(), expected_size);
    out.assign(read.rest().begin(), read.rest().end());
  } else {
    int64_t table_bytes = 0;
    read.number("table length", table_bytes, static_cast<int64_t>(read.rest().size()));
    Frequencies frequencies{};
    RangeDecoder bins(read.take(table_bytes, "table"));
    visit_frequencies(bins, frequencies);
    std::vector<uint32_t> slots(kTableSize);
    fill_slots(frequencies, std::span(slots).first<kTableSize>());
    RansDecoder decoder(read.rest(), bytes_lanes(expected_size));
    out.resize(expected_size);
    for (size_t i = 0; i < expected_size; ++i) out[i] = static_cast<std::byte>(decoder.get(i, slots.data()));
    if (!decoder.finished()) fail_input("{} bytes do not use up the stream", expected_size);
  }
  return out;
}

}  // namespace tercel::codec

#include <algorithm>
#include <vector>

#include "codec/cabac/enc_range.h"
#include "codec/codec.h"
#include "codec/frame.h"
#include "codec/rans/enc_rans.h"
#include "codec/syntax/bytes.h"
#include "codec/syntax/fields.h"

namespace tercel::codec {
namespace {

/// Frequencies and states; longer than `bytes` for what does not compress.
std::string rans_of(std::span<const std::byte> bytes) {
  std::array<uint64_t, kSymbols> counts{};
  for (std::byte b : bytes) ++counts[static_cast<size_t>(b)];
  Frequencies frequencies = normalize_counts(counts);
  std::string table;
  RangeEncoder bins(table);
  visit_frequencies(bins, frequencies);
  bins.finish();
  std::string out;
  FieldWriter write(out);
  auto table_bytes = static_cast<int64_t>(table.size());
  write.number("table length", table_bytes, table_bytes);
  out += table;
  const auto starts = starts_of(frequencies);
  RansEncoder encoder(bytes_lanes(bytes.size()));
  for (size_t i = bytes.size(); i-- > 0;) {
    const auto symbol = static_cast<size_t>(bytes[i]);
    encoder.put(i, starts[symbol], frequencies[symbol]);
  }
  encoder.finish(out);
  return out;
}

}  // namespace

std::string encode_bytes(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  std::string coded = rans_of(bytes);
  BytesHead head{BytesMode::rans};
  if (coded.size() >= bytes.size()) {
    head.mode = BytesMode::raw;
    coded.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  head.crc = bytes_crc(bytes.size(), head.mode, std::as_bytes(std::span(coded)));
  std::string out;
  FieldWriter write(out);
  visit_bytes_head(write, head);
  out += coded;
  return out;
}

}  // namespace tercel::codec

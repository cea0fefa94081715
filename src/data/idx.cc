#include "data/idx.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/bits.h"
#include "base/error.h"
#include "base/file.h"
#include "data/gzip.h"
#include "tercel/data.h"

namespace tercel::inline data {
namespace {

constexpr uint8_t kByteElements = 8;
constexpr size_t kMostAxes = 4;

/// A file's bytes one after the other, decompressed on the way.
class IdxSource {
 public:
  explicit IdxSource(std::span<const std::byte> bytes) : rest_(bytes) {
    if (is_gzip(bytes)) gzip_.emplace(bytes);
  }

  size_t read(std::span<std::byte> to) {
    if (gzip_) return gzip_->read(to);
    const size_t count = std::min(to.size(), rest_.size());
    std::copy_n(rest_.begin(), count, to.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

  /// How many bytes may still come; of a compressed file, no more than that.
  size_t most_left() const { return gzip_ ? gzip_->most() : rest_.size(); }

 private:
  std::span<const std::byte> rest_;
  std::optional<GzipReader> gzip_;
};

}  // namespace

IdxBytes parse_idx(std::span<const std::byte> bytes) {
  IdxSource source(bytes);
  std::byte magic[4];
  if (source.read(magic) < sizeof(magic)) fail_input("IDX: cut short in its first four bytes");
  if (magic[0] != std::byte{0} || magic[1] != std::byte{0}) fail_input("not an IDX file: it does not begin with 00 00");
  if (magic[2] != std::byte{kByteElements})
    fail_input("IDX: elements of type 0x{:02x}; pictures and labels are bytes (0x08)", std::to_integer<int>(magic[2]));
  const auto axes = std::to_integer<size_t>(magic[3]);
  if (axes < 1 || axes > kMostAxes) fail_input("IDX: {} axes, wanted 1 to {}", axes, kMostAxes);
  IdxBytes out;
  int64_t count = 1;
  for (size_t i = 0; i < axes; ++i) {
    std::byte extent[4];
    if (source.read(extent) < sizeof(extent)) fail_input("IDX: cut short in the extent of axis {}", i);
    int64_t value = 0;
    for (const std::byte b : extent) value = value << 8 | std::to_integer<int64_t>(b);
    const std::optional<int64_t> product = checked_mul(count, value);
    if (!product) fail_input("IDX: its extents multiply to more than 2^63");
    count = *product;
    out.dims.push_back(value);
  }
  if (static_cast<uint64_t>(count) > source.most_left())
    fail_input("IDX: its extents ask for {} bytes, the file can hold no more than {}", count, source.most_left());
  out.values.resize(static_cast<size_t>(count));
  const size_t got = source.read(std::as_writable_bytes(std::span(out.values)));
  if (got < out.values.size()) fail_input("IDX: cut short: {} of {} bytes are there", got, count);
  std::byte more;
  if (source.read({&more, 1}) != 0) fail_input("IDX: bytes left over behind the {} that its extents ask for", count);
  return out;
}

std::vector<std::byte> print_idx(std::span<const int64_t> dims, std::span<const uint8_t> values) {
  std::vector<std::byte> bytes{std::byte{0}, std::byte{0}, std::byte{kByteElements},
                               static_cast<std::byte>(dims.size())};
  for (const int64_t extent : dims)
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::byte>(extent >> shift));
  const auto elements = std::as_bytes(values);
  bytes.insert(bytes.end(), elements.begin(), elements.end());
  return bytes;
}

}  // namespace tercel::inline data

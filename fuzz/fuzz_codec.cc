// Any bytes as a stream of levels or of general bytes. The first bytes choose the shape and the reader; what decodes
// must decode to the same levels again after encoding. Where the checksums would turn everything away, they are put
// right first: the decoders have to stand on their own.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "codec/codec.h"
#include "codec/frame.h"
#include "codec/syntax/fields.h"
#include "codec/syntax/stream.h"
#include "tercel/error.h"

namespace {

using namespace tercel;

constexpr int64_t kMostLevels = 1 << 11;

/// Bytes handed out one by one, zeros past the end.
class Choices {
 public:
  Choices(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t next() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::span<const std::byte> rest() const { return std::as_bytes(std::span(data_, size_)); }

 private:
  const uint8_t* data_;
  size_t size_;
};

codec::MatrixShape choose_shape(Choices& choices, std::vector<uint8_t>& classes) {
  codec::MatrixShape shape;
  const uint8_t kind = choices.next();
  shape.rows = choices.next() % 16 + 1;
  shape.kernel_height = kind % 4 + 1;
  shape.kernel_width = kind / 4 % 4 + 1;
  const int64_t kernel = shape.kernel_height * shape.kernel_width;
  shape.columns = (choices.next() % std::max<int64_t>(1, kMostLevels / 16 / kernel) + 1) * kernel;
  if (kind & 0x40) {
    classes.resize(static_cast<size_t>(shape.columns));
    for (size_t i = 0; i < classes.size(); ++i)
      classes[i] = static_cast<uint8_t>((i * kind >> 3) % codec::kColumnClasses);
    shape.column_class = classes;
  }
  return shape;
}

/// The stream as one chunk with a table that fits it: head and fields are the bytes' own, the rest is the chunk.
std::string with_checksum(std::span<const std::byte> bytes, size_t fields, const codec::MatrixShape& shape) {
  fields = std::min(fields, bytes.size());
  std::string stream(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (stream.size() > 1) stream[1] = 0;  // one chunk
  const auto head = std::as_bytes(std::span(stream)).first(fields);
  const auto body = std::as_bytes(std::span(stream)).subspan(fields);
  codec::ChunkEntry entry{static_cast<int64_t>(body.size()), codec::chunk_crc(codec::head_crc(head, shape), 0, body)};
  std::string out = stream.substr(0, fields);
  codec::FieldWriter write(out);
  codec::visit_entry(write, entry, entry.bytes);
  return out + stream.substr(fields);
}

/// Where the chunk table of an undamaged stream of one chunk begins.
size_t fields_length(std::span<const std::byte> stream, const codec::MatrixShape& shape) {
  for (size_t fields = 2; fields < stream.size(); ++fields) {
    try {
      codec::FieldReader read(stream.subspan(fields));
      codec::ChunkEntry entry;
      codec::visit_entry(read, entry, static_cast<int64_t>(stream.size()));
      if (static_cast<size_t>(entry.bytes) == read.rest().size() &&
          entry.crc == codec::chunk_crc(codec::head_crc(stream.first(fields), shape), 0, read.rest()))
        return fields;
    } catch (const Error&) {
    }
  }
  std::abort();
}

/// A valid stream, some of whose bytes are other ones, with a checksum that says otherwise.
std::string damaged_stream(Choices& choices, const codec::MatrixShape& shape, codec::Profile profile) {
  const int shift = choices.next() % 27;
  Rng rng(choices.next());
  std::vector<int32_t> levels(static_cast<size_t>(shape.rows * shape.columns));
  for (int32_t& level : levels) level = static_cast<int32_t>(rng.normal() * static_cast<double>(1 << shift));
  const std::string stream = codec::encode(levels, shape, {profile, 1 << 20});
  const auto bytes = std::as_bytes(std::span(stream));
  const size_t fields = fields_length(bytes, shape);
  codec::FieldReader read(bytes.subspan(fields));
  codec::ChunkEntry entry;
  codec::visit_entry(read, entry, static_cast<int64_t>(bytes.size()));
  std::vector<std::byte> whole(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(fields));
  whole.insert(whole.end(), read.rest().begin(), read.rest().end());
  while (!choices.rest().empty()) {
    const size_t at = (size_t{choices.next()} << 8 | choices.next()) % whole.size();
    whole[at] ^= static_cast<std::byte>(choices.next());
  }
  return with_checksum(whole, fields, shape);
}

void check(std::span<const std::byte> bytes, const codec::MatrixShape& shape, codec::Profile profile) {
  std::vector<int32_t> levels(static_cast<size_t>(shape.rows * shape.columns));
  std::vector<float> floats(levels.size());
  codec::decode(bytes, shape, levels);
  codec::decode(bytes, shape, {}, {}, floats);
  for (size_t i = 0; i < levels.size(); ++i)
    if (floats[i] != static_cast<float>(levels[i])) std::abort();
  for (int32_t& level : levels) level = std::clamp(level, -codec::kMaxLevel, codec::kMaxLevel);
  const std::string again = codec::encode(levels, shape, {profile, 500});
  std::vector<int32_t> back(levels.size());
  codec::decode(std::as_bytes(std::span(again)), shape, back);
  if (back != levels) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Choices choices(data, size);
  const uint8_t mode = choices.next();
  try {
    if (mode % 4 == 0) {
      const size_t expected = choices.next() * 64u + choices.next();
      const auto bytes = codec::decode_bytes(choices.rest(), expected);
      const std::string again = codec::encode_bytes(bytes);
      if (codec::decode_bytes(std::as_bytes(std::span(again)), expected) != bytes) std::abort();
      return 0;
    }
    std::vector<uint8_t> classes;
    const codec::MatrixShape shape = choose_shape(choices, classes);
    const auto profile = static_cast<codec::Profile>(mode / 4 % 3);
    if (mode % 4 == 1) {
      check(choices.rest(), shape, profile);
    } else {
      std::string stream;
      if (mode % 4 == 2) {
        const size_t fields = choices.next();
        stream = with_checksum(choices.rest(), fields, shape);
      } else {
        stream = damaged_stream(choices, shape, profile);
      }
      check(std::as_bytes(std::span(stream)), shape, profile);
    }
  } catch (const Error&) {
  }
  return 0;
}

// Any bytes as a .tercel file: a graph, or an Error. A checksum keeps the fuzzer from everything behind it, so it is
// made right first; streams keep theirs.
#include <cstring>
#include <memory>
#include <string>

#include "codec/crc32.h"
#include "codec/syntax/fields.h"
#include "pack/file_fields.h"
#include "pack/pack.h"
#include "tercel/error.h"

namespace {

/// `bytes` with the checksum that its head asks for, where it has one.
std::string with_checksum(std::string bytes) {
  using namespace tercel;
  const auto all = std::as_bytes(std::span(bytes.data(), bytes.size()));
  if (!pack::is_packed(all) || all.size() < 9) return bytes;
  try {
    codec::FieldReader fields(all.subspan(9));
    pack::FileHead head;
    pack::visit_file_head(fields, head);
    const size_t at = all.size() - fields.rest().size();
    const auto covered = static_cast<uint64_t>(head.graph_bytes) + static_cast<uint64_t>(head.directory_bytes);
    if (fields.rest().size() < 4 || covered > fields.rest().size() - 4) return bytes;
    const uint32_t crc =
        codec::crc32(fields.rest().subspan(4, static_cast<size_t>(covered)), codec::crc32(all.first(at)));
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(crc >> (8 * i));
  } catch (const Error&) {
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::make_shared<const std::string>(with_checksum({reinterpret_cast<const char*>(data), size}));
  const auto bytes = std::as_bytes(std::span(file->data(), file->size()));
  try {
    tercel::pack::read(bytes);
  } catch (const tercel::Error&) {
  }
  try {
    const auto waiting = tercel::pack::read(bytes, file);
    for (const auto& value : waiting.graph.values())
      if (value->is_constant()) value->constant.data();
  } catch (const tercel::Error&) {
  }
  return 0;
}

#include "session/npy.h"

#include <array>
#include <charconv>
#include <cstring>

#include "base/bits.h"
#include "base/error.h"
#include "tensor/shape.h"

namespace tercel::inline session {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Code {
  std::string_view text;
  DType dtype;
};
// bf16 has no NumPy type of its own and is not written.
constexpr std::array<Code, 13> kCodes = {{{"<f4", DType::f32},
                                          {"<f8", DType::f64},
                                          {"<f2", DType::f16},
                                          {"|i1", DType::i8},
                                          {"|u1", DType::u8},
                                          {"<i2", DType::i16},
                                          {"<u2", DType::u16},
                                          {"<i4", DType::i32},
                                          {"<u4", DType::u32},
                                          {"<i8", DType::i64},
                                          {"<u8", DType::u64},
                                          {"|b1", DType::boolean},
                                          {"|?", DType::boolean}}};

/// The text after `'key':` in the header's dictionary, blanks skipped.
std::string_view value_of(std::string_view header, std::string_view key) {
  const size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) fail_input(".npy header has no '{}'", key);
  std::string_view rest = header.substr(at + key.size() + 3);
  while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  return rest;
}

DType parse_descr(std::string_view text) {
  for (const Code& code : kCodes)
    if (text.starts_with(fmt::format("'{}'", code.text))) return code.dtype;
  fail_unsupported(".npy elements of type {}", text.substr(0, text.find_first_of(",}")));
}

Dims parse_shape(std::string_view text) {
  if (text.empty() || text[0] != '(') fail_input(".npy header: the shape is no tuple");
  text.remove_prefix(1);
  Dims dims;
  while (true) {
    while (!text.empty() && (text[0] == ' ' || text[0] == ',')) text.remove_prefix(1);
    if (text.empty()) fail_input(".npy header is cut short");
    if (text[0] == ')') return dims;
    int64_t extent = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (result.ec != std::errc() || extent < 0) fail_input(".npy header: bad extent");
    dims.push_back(extent);
    text.remove_prefix(static_cast<size_t>(result.ptr - text.data()));
  }
}

}  // namespace

bool is_npy(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() && std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

Array read_npy(std::span<const std::byte> bytes) {
  if (bytes.size() < 12) fail_input(".npy file is cut short");
  const auto version = static_cast<int>(bytes[6]);
  if (version < 1 || version > 3) fail_unsupported(".npy version {}", version);
  const size_t start = version == 1 ? 10 : 12;
  const size_t length = version == 1 ? load_unaligned<uint16_t>(&bytes[8]) : load_unaligned<uint32_t>(&bytes[8]);
  if (length > bytes.size() - start) fail_input(".npy header is cut short");
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + start, length);
  const DType dtype = parse_descr(value_of(header, "descr"));
  if (value_of(header, "fortran_order").starts_with("True"))
    fail_unsupported(".npy file in Fortran order; save a C-ordered copy");
  const Dims dims = parse_shape(value_of(header, "shape"));
  const size_t wanted = static_cast<size_t>(count_elements(dims)) * size_of(dtype);
  const auto payload = bytes.subspan(start + length);
  if (payload.size() != wanted)
    fail_input(".npy file holds {} bytes of elements, shape {} of {} needs {}", payload.size(), to_string(dims),
               to_string(dtype), wanted);
  Array array(dtype, dims);
  if (wanted > 0) std::memcpy(array.data(), payload.data(), wanted);
  return array;
}

std::string npy_header(const Array& array) {
  std::string_view descr;
  for (const Code& code : kCodes)
    if (code.dtype == array.dtype() && descr.empty()) descr = code.text;
  if (descr.empty()) fail_unsupported(".npy cannot hold {}", to_string(array.dtype()));
  std::string shape;
  for (int64_t d : array.dims()) shape += fmt::format("{},", d);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
  // The elements start at a multiple of 64; the header ends in a newline.
  header.append(round_up(10 + header.size() + 1, size_t{64}) - 11 - header.size(), ' ');
  header += '\n';
  std::string out(kMagic);
  out += {'\x01', '\x00', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  return out + header;
}

}  // namespace tercel::inline session

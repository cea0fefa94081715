#include "base/error.h"
#include "base/file.h"
#include "tercel/image.h"

namespace tercel {
namespace {

/// Length of the UTF-8 sequence that starts at `at` (RFC 3629: shortest form, no surrogates, up to U+10FFFF), or 0.
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  const unsigned second = byte(1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool outside = (lead == 0xED && second > 0x9F) || (lead == 0xF4 && second > 0x8F);
  return overlong || outside ? 0 : length;
}

void check_text(std::string_view text) {
  for (size_t i = 0, length; i < text.size(); i += length) {
    const auto c = static_cast<unsigned char>(text[i]);
    length = utf8_length(text, i);
    if (length == 0 || (c < 0x20 && c != '\n' && c != '\r' && c != '\t'))
      fail_input("not a text file of class names: byte {} is {:#04x}, wanted UTF-8", i, int(c));
  }
}

}  // namespace

std::vector<std::string> read_labels(const std::filesystem::path& path) {
  const std::string file = read_text_file(path);
  std::string_view text = file;
  at_place([&] { return path.string(); }, [&] { check_text(text); });
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string> labels;
  // A line that is empty still counts: the number of a line is the number of its class.
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    labels.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return labels;
}

}  // namespace tercel

// Files of src/fpga that are part of the program (cmake/fpga_text.cmake writes their text into a source file).
#pragma once

#include <span>
#include <string_view>

namespace tercel::inline fpga {

struct EmbeddedFile {
  std::string_view name;  ///< without its folder
  std::string_view text;
};

/// boards/*.toml and published/*.csv, by name.
std::span<const EmbeddedFile> embedded_files();

}  // namespace tercel::inline fpga

// Any bytes as a board file and as a design point. A point that parses must print to text that parses to the same
// point. Seeds: src/fpga/boards/*.toml, and what tercel::to_string and to_json print.

#include <cstdlib>

#include "fpga/board.h"
#include "tercel/error.h"
#include "tercel/fpga.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    tercel::parse_board(text, "fuzz.toml");
  } catch (const tercel::Error&) {
  }
  tercel::DesignPoint point;
  try {
    point = tercel::parse_design_point(text);
  } catch (const tercel::Error&) {
    return 0;
  }
  if (tercel::parse_design_point(tercel::to_string(point)) != point) std::abort();
  return 0;
}

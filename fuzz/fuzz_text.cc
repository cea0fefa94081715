// Any bytes as a graph in text form. What parses must print to something that parses to the same text.
// Seeds: what `tercel inspect --text` prints.

#include <cstdlib>

#include "graph/text.h"
#include "tercel/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text;
  try {
    text = tercel::print(tercel::parse_graph({reinterpret_cast<const char*>(data), size}));
  } catch (const tercel::Error&) {
    return 0;
  }
  if (tercel::print(tercel::parse_graph(text)) != text) std::abort();
  return 0;
}

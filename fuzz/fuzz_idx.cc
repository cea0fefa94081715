// Data sets from strangers. Seeds: small IDX files, plain and gzip.
#include <cstddef>
#include <cstdint>

#include "data/idx.h"
#include "tercel/error.h"

using namespace tercel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  try {
    const IdxBytes idx = parse_idx(std::as_bytes(std::span(bytes, size)));
    print_idx(idx.dims, idx.values);
  } catch (const Error&) {
  }
  return 0;
}

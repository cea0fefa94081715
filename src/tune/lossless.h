// A network as it was given: its size, and a lossless file of it.
#pragma once

#include <cstdint>
#include <string>

#include "codec/codec.h"
#include "tercel/compress.h"

namespace tercel::inline tune {

codec::Profile coding(CodingProfile profile);

/// What ratios refer to.
struct Given {
  int64_t bytes = 0;  ///< see CompressPoint::ratio
  int64_t parameters = 0;
};
Given given_of(const Model& model);

/// A `.tercel` file of the network as it was read, no pass run: each constant has the type and bits it had. A network
/// that came from a `.tercel` file is that file.
std::string lossless_file(const Model& model, CodingProfile profile);

/// Throws Error where the file is larger than what was given.
void check_smaller(int64_t file_bytes, const Given& given);

}  // namespace tercel::inline tune

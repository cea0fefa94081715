// Where the levels of a value lie in the pipeline's memory.
#pragma once

#include "tensor/quantization.h"
#include "tensor/shape.h"

namespace tercel::inline engines {

/// [image][channel word][row][column] words of `vec` channels. Levels are signed; u8 levels are stored less 128. A part
/// of a concatenation begins at a later channel of the whole.
struct FeatureMap {
  int64_t images = 1, channels = 1, height = 1, width = 1;
  int64_t at = 0;           ///< first word of the whole
  int64_t image_words = 0;  ///< from one image to the next
  int64_t words = 0;        ///< channel words of the whole
  int64_t channel = 0;      ///< the first, in the whole
  DType dtype = DType::i8;
  QuantizationPtr quantization;

  int64_t plane() const { return height * width; }
  /// The first of its own words, of `vec` channels.
  int64_t first_word(int vec) const { return at + channel / vec * plane(); }
  /// Whether a value of these extents lies like this; not where it was reshaped on the way.
  bool lies_as(const Dims& dims) const {
    if (dims.size() < 2 || channels != dims[1]) return false;
    if (dims.size() == 4) return height == dims[2] && width == dims[3];
    return plane() == 1 && count_elements(dims) == images * channels;
  }
  /// What u8 levels and their zero points are less in memory.
  int32_t offset() const { return dtype == DType::u8 ? 128 : 0; }
  int32_t zero() const { return quantization->zeros[0] - offset(); }
  float scale() const { return quantization->scales[0]; }
};

}  // namespace tercel::inline engines

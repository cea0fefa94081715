// What levels would add to a value that floats make, row by row.
#pragma once

#include <cstdint>

#include "quant/level_choice.h"
#include "tensor/quantization.h"
#include "tercel/array.h"
#include "tercel/quantize.h"

namespace tercel::inline quant {

/// The noise of levels relative to the signal of each row, and its mean over all rows of all values. Rows of zeros are
/// not counted.
class RowNoise {
 public:
  /// `columns`: elements of a row.
  void add(const Array& value, int64_t columns, const Quantization& q, ActivationLevels levels);
  /// Signal to noise, in dB; infinite where there is no noise.
  double sqnr() const;

 private:
  double parts_ = 0;
  int64_t rows_ = 0;
};

/// Elements of a row of `value`. Where a MatMul or Gemm reads it: the last axis, which sums run over (a token, which a
/// transformer normalizes by itself). Where only convolutions do: all of a picture, whose sums have one scale; a dark
/// corner with much noise for its signal is a small part of it.
int64_t row_elements(const LevelChoice& choice, const Value& value, const Dims& dims);

}  // namespace tercel::inline quant

// What levels would add to a value that floats make, row by row.
#pragma once

#include <cstdint>

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

/// Elements of a row: the last axis.
int64_t row_elements(const Dims& dims);

}  // namespace tercel::inline quant

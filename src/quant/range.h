// The range of a value, and the levels that cover it.
#pragma once

#include <vector>

#include "quant/histogram.h"
#include "tensor/quantization.h"
#include "tensor/requantize.h"
#include "tercel/quantize.h"

namespace tercel::inline quant {

/// Holds zero, which levels can always tell.
struct ValueRange {
  double low = 0, high = 0;
};

// One file each: range_minmax.cc, range_percentile.cc, range_mse.cc.

/// From the least to the greatest value.
ValueRange minmax_range(const Histogram& histogram);
/// `percent` of the values lie inside; at either end not more than half of the rest outside, to the accuracy of a bin.
ValueRange percentile_range(const Histogram& histogram, double percent);
/// Of the ranges inside minmax_range, one with the least mean square error of its levels, to the accuracy of a
/// hundredth of an end.
ValueRange mse_range(const Histogram& histogram, ActivationLevels levels);

ValueRange range_of(const Histogram& histogram, const QuantizeOptions& options);

/// The element type of levels, and the least and greatest of them that are used.
DType dtype_of(ActivationLevels levels);
LevelRange range_of(ActivationLevels levels, int32_t zero);

/// Scale and zero point of levels that cover a range, zero exactly among them. One that is empty, or too narrow for
/// floats, gets a scale of 1/255.
Quantization levels_over(const ValueRange& range, ActivationLevels levels);

/// Mean square error of values in levels, each value taken for the centre of its bin.
class LevelError {
 public:
  explicit LevelError(const Histogram& histogram);
  double of(const Quantization& to, ActivationLevels levels) const;

 private:
  std::vector<double> centres_, counts_;  // of bins that hold something
  double count_ = 0;
};

}  // namespace tercel::inline quant

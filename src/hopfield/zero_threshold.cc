// The sign of the feature as it is: right where batch normalization made it, whose outputs lie around 0. No bytes.
#include "base/error.h"
#include "hopfield/binarization.h"

namespace tercel::inline hopfield {

Binarization zero_threshold() {
  return {"zero", "the sign of each feature; for outputs of batch normalization",
          [](const FeatureRows& rows, const BinarizationOptions& options) {
            check_finite(rows);
            if (options.bits != 0 && options.bits != rows.width)
              fail_input("{} bits of {} features: this binarization gives one a feature; hadamard gives any number",
                         options.bits, rows.width);
            return Binarizer{.inputs = rows.width, .bits = rows.width};
          }};
}

}  // namespace tercel::inline hopfield

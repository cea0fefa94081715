// The sign of the feature as it is: right where batch normalization made it, whose outputs lie around 0. No bytes.
#include "hopfield/binarization.h"

namespace tercel::inline hopfield {

Binarization zero_threshold() {
  return {"zero", "the sign of each feature; for outputs of batch normalization", one_bit_a_feature};
}

}  // namespace tercel::inline hopfield

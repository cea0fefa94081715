// The sign of the difference from the feature's median: as many +1 as -1 in every unit, whatever the features are
// (those behind a ReLU are never below 0). Four bytes a feature.
#include <algorithm>

#include "hopfield/binarization.h"

namespace tercel::inline hopfield {

Binarization median_threshold() {
  return {"median", "above or below each feature's median; for features behind a ReLU",
          [](const FeatureRows& rows, const BinarizationOptions& options) {
            Binarizer binarizer = one_bit_a_feature(rows, options);
            std::vector<float> column(static_cast<size_t>(rows.count()));
            for (int64_t i = 0; i < rows.width; ++i) {
              for (size_t r = 0; r < column.size(); ++r) column[r] = rows.row(static_cast<int64_t>(r))[i];
              const auto middle = column.begin() + static_cast<std::ptrdiff_t>(column.size() / 2);
              std::nth_element(column.begin(), middle, column.end());
              // Of features that are mostly 0 the median is 0 too: above it then means active.
              binarizer.shift.push_back(*middle);
            }
            return binarizer;
          }};
}

}  // namespace tercel::inline hopfield

// What a memory is compared with: other ways to name a class from the same features.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hopfield/binarization.h"
#include "tune/hopfield_head.h"

namespace tercel::inline tune {

/// Names the class of one row of features. May be called from several threads at once.
struct Head {
  std::function<int32_t(const float* features)> name;
  int64_t bytes = 0;   ///< that a file needs
  int64_t memory = 0;  ///< that it takes when it runs
  /// Of networks that settle: how.
  std::function<hopfield::Verdict(const float* features)> verdict = {};
};

/// The layers behind the cut.
struct FullyConnected {
  std::string what;
  Model model;  ///< features of one picture to scores
  int64_t bytes = 0;

  Head head(int64_t width) const;
};
/// As they are; with weights rounded to 8 bits a row; with the largest matrix cut to a quarter of its bytes by its
/// singular values. Pooled features have none.
std::vector<FullyConnected> fully_connected_heads(const Model& model, const std::string& cut);

enum class RidgeWeights { f32, int8, signs };
inline constexpr int64_t kMostRidgeFeatures = 4096;
/// Least squares of +1 and -1 on the features, or on their bits, with a penalty of a thousandth of the mean square.
/// `signs`: the signs of the weights with one factor a class.
Head ridge_head(const LabelledFeatures& data, int64_t class_count, const hopfield::Binarizer& binarizer,
                RidgeWeights weights);

/// One fully connected layer, trained on the features by gradient descent on cross entropy.
Head softmax_regression(const LabelledFeatures& data, int64_t class_count);

Head prototype_head(const LabelledFeatures& data, int per_class, uint64_t seed);
/// All rows are kept. Votes of the k nearest, the nearer first among equals.
Head neighbour_head(const LabelledFeatures& data, int64_t class_count, int k);

}  // namespace tercel::inline tune

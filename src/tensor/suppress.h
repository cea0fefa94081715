// Greedy suppression of overlapping boxes (ONNX NonMaxSuppression). The shape rule needs the count, the kernel the
// rest.
#pragma once

#include <array>
#include <vector>

#include "tensor/view.h"

namespace tercel::inline tensor {

struct SuppressOptions {
  bool center_format = false;  ///< boxes are x centre, y centre, width, height; else two corners y x y x in any order
  int64_t max_per_class = 0;   ///< at most so many boxes for each batch and class
  float iou_threshold = 0;     ///< a box that overlaps a chosen one by more is dropped; in intersection over union
  bool has_score_threshold = false;
  float score_threshold = 0;  ///< only boxes that score more are looked at
};

/// boxes: f32 batch x n x 4; scores: f32 batch x classes x n; any alignment. Gives (batch, class, box), by batch, class
/// and falling score; among equal scores the first box is first. Boxes that score NaN are never chosen.
std::vector<std::array<int64_t, 3>> suppress_boxes(const View& boxes, const View& scores,
                                                   const SuppressOptions& options);

}  // namespace tercel::inline tensor

#include "tensor/suppress.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"

namespace tercel::inline tensor {
namespace {

struct Box {
  float top, left, bottom, right;
  float area() const { return (bottom - top) * (right - left); }
};

Box read_box(const View& boxes, int64_t i, bool center_format) {
  float v[4];
  std::memcpy(v, boxes.data + static_cast<size_t>(i) * sizeof(v), sizeof(v));
  if (center_format) return {v[1] - v[3] / 2, v[0] - v[2] / 2, v[1] + v[3] / 2, v[0] + v[2] / 2};
  return {std::min(v[0], v[2]), std::min(v[1], v[3]), std::max(v[0], v[2]), std::max(v[1], v[3])};
}

float intersection_over_union(const Box& a, const Box& b) {
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (!(height > 0 && width > 0)) return 0;
  const float shared = height * width;
  return shared / (a.area() + b.area() - shared);
}

}  // namespace

std::vector<std::array<int64_t, 3>> suppress_boxes(const View& boxes, const View& scores,
                                                   const SuppressOptions& options) {
  std::vector<std::array<int64_t, 3>> chosen;
  if (boxes.elements() == 0 || scores.elements() == 0 || options.max_per_class <= 0) return chosen;
  const int64_t batches = scores.dims[0], classes = scores.dims[1], count = scores.dims[2];
  for (int64_t group = 0; group < batches * classes; ++group) {
    std::vector<std::pair<float, int64_t>> candidates;
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(group * count + i) * sizeof(float);
      const float score = load_unaligned<float>(scores.data + at);
      const bool wanted = options.has_score_threshold ? score > options.score_threshold : score == score;
      if (wanted) candidates.emplace_back(score, i);
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](auto& a, auto& b) { return a.first > b.first; });
    std::vector<Box> kept;
    for (const auto& [score, i] : candidates) {
      if (static_cast<int64_t>(kept.size()) >= options.max_per_class) break;
      const Box box = read_box(boxes, group / classes * count + i, options.center_format);
      const bool clear = std::all_of(kept.begin(), kept.end(), [&](const Box& other) {
        return !(intersection_over_union(box, other) > options.iou_threshold);
      });
      if (!clear) continue;
      kept.push_back(box);
      chosen.push_back({group / classes, group % classes, i});
    }
  }
  return chosen;
}

}  // namespace tercel::inline tensor

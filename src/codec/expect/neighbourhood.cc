#include "codec/expect/neighbourhood.h"

namespace tercel::codec {

Neighbourhood::Neighbourhood(const MatrixShape& shape, const Chunk& chunk, const ContextInit& init)
    : kernel_width_(shape.kernel_width), kernel_(shape.kernel_height * shape.kernel_width), mean_(init.mean) {
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i] = init.weights[i];
  columns_.assign(static_cast<size_t>(chunk.columns), mean_);
  if (!shape.column_class.empty()) {
    classes_ = shape.column_class.subspan(static_cast<size_t>(chunk.column), static_cast<size_t>(chunk.columns));
    for (size_t c = 0; c < classes_.size(); ++c)
      columns_[c] = std::min(static_cast<uint32_t>((uint64_t{mean_} * kClassScale[classes_[c]]) >> 8),
                             static_cast<uint32_t>(kContextClip) * kUnit);
  }
  if (!has_kernel()) return;
  // Two running means and the neighbours there are: about 2 / their number, less what makes the mean of several a
  // better guess.
  constexpr uint16_t kShare[] = {256, 160, 120};
  for (int64_t i = 0; i < kernel_; ++i) {
    const bool left = i % kernel_width_ > 0, up = i >= kernel_width_;
    positions_.push_back({left, up, kShare[left + up]});
  }
}

}  // namespace tercel::codec

// Elements of tensors that are made when somebody wants them.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>

#include "tensor/buffer.h"

namespace tercel::inline tensor {

/// Elements that can be made, and made again: decoded, say, when somebody wants them.
class ElementSource {
 public:
  /// `make` writes all elements; it may throw, and is called from whichever thread asks. `bound`: no f32 element is
  /// larger in magnitude; infinity: some may be infinite or NaN.
  ElementSource(size_t bytes, std::function<void(std::byte* elements)> make,
                float bound = std::numeric_limits<float>::infinity())
      : bytes_(bytes), make_(std::move(make)), bound_(bound) {}

  /// Those that somebody still holds, else new ones.
  std::shared_ptr<const Buffer> elements();
  bool held() const { return !made_.expired(); }
  /// Makes the elements at `to`, where nobody holds them; else false, and nothing is done.
  bool write(std::byte* to);

 private:
  friend class Tensor;
  size_t bytes_;
  std::function<void(std::byte*)> make_;
  float bound_;
  std::mutex making_;
  std::mutex holding_;  ///< what tensors of this source hold
  std::weak_ptr<const Buffer> made_;
};

}  // namespace tercel::inline tensor

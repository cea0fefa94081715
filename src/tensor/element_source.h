// Elements of tensors that are made when somebody wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>

#include "tensor/buffer.h"

namespace tercel::inline tensor {

class Tensor;

/// Makes the elements with index [begin, end) along an axis, in their order, at `to`.
using MakeSlice = std::function<void(int64_t begin, int64_t end, std::byte* to)>;

/// Elements that can be made, and made again: decoded, say, when somebody wants them.
class ElementSource {
 public:
  /// For a source that can make some elements without the others. `begin` is called before a series of slices along
  /// `axis`, which may then be made from several threads at once; `release` lets go what making them has brought into
  /// memory.
  struct Slices {
    int64_t axis;
    std::function<MakeSlice()> begin;
    std::function<void()> release;
  };

  /// `make` writes all elements; it may throw, and is called from whichever thread asks. `bound`: no f32 element is
  /// larger in magnitude; infinity: some may be infinite or NaN.
  ElementSource(size_t bytes, std::function<void(std::byte* elements)> make,
                float bound = std::numeric_limits<float>::infinity(), Slices slices = {})
      : bytes_(bytes), make_(std::move(make)), bound_(bound), slices_(std::move(slices)) {}

  /// Those that somebody still holds, else new ones.
  std::shared_ptr<const Buffer> elements();
  bool held() const { return !made_.expired(); }
  /// Makes the elements at `to`, where nobody holds them; else false, and nothing is done.
  bool write(std::byte* to);

 private:
  friend class Tensor;
  friend MakeSlice slices(const Tensor& tensor, int64_t axis);
  size_t bytes_;
  std::function<void(std::byte*)> make_;
  float bound_;
  Slices slices_;
  mutable std::mutex making_;
  std::mutex holding_;  ///< what tensors of this source hold
  std::weak_ptr<const Buffer> made_;
};

/// Of a tensor whose source makes slices along `axis`, and whose elements nobody holds: what makes them, from several
/// threads at once. Else empty. Tensor::release() then lets go what it has brought into memory.
MakeSlice slices(const Tensor& tensor, int64_t axis);

}  // namespace tercel::inline tensor

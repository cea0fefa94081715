// Constant weights in the form that kernels read, made once for everybody who wants the same form of the same constant.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include "tensor/buffer.h"
#include "tensor/tensor.h"

namespace tercel::inline kernels {

/// What the plans, sessions and threads of one model share. It owns nothing: a form lives as long as some kernel holds
/// it. Safe from several threads; those who want the same form wait for the first to make it.
class PackedWeights {
 public:
  /// `form` says all that the bytes depend on besides the constant: kernel, instruction set, groups, order of the axes.
  /// `pack` writes all `bytes` bytes where nobody holds that form yet; what it throws goes to the caller.
  std::shared_ptr<const Buffer> get(const Tensor& constant, const std::string& form, size_t bytes,
                                    const std::function<void(std::byte* packed)>& pack);

  /// Bytes of all forms held by somebody.
  size_t bytes() const;

 private:
  struct Entry {
    std::mutex packing;
    std::weak_ptr<const Buffer> packed;
  };
  // The elements are known by their owner: a weak pointer to it is never mistaken for a later owner at the same
  // address.
  struct Key {
    std::weak_ptr<const void> owner;
    const void* place;
    DType dtype;
    Dims dims;
    std::string form;
    bool operator<(const Key& other) const;
  };
  mutable std::mutex mutex_;
  std::map<Key, std::shared_ptr<Entry>> entries_;
};

}  // namespace tercel::inline kernels

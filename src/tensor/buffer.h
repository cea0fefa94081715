// Memory that tensors stand on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace tercel::inline tensor {

/// Bytes for one cache line and for one AVX-512 register; every buffer starts on such a boundary.
inline constexpr size_t kAlignment = 64;

/// Owned, aligned, uninitialized bytes. Throws Error(limit) where the system has no more.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size);

  std::byte* data() const {
    const auto address = reinterpret_cast<uintptr_t>(block_.get());
    return reinterpret_cast<std::byte*>((address + kAlignment - 1) / kAlignment * kAlignment);
  }
  size_t size() const { return block_ == nullptr ? 0 : size_; }

 private:
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };
  std::unique_ptr<void, Free> block_;
  size_t size_ = 0;
};

}  // namespace tercel::inline tensor

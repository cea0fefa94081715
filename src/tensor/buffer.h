// Memory that tensors stand on.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace tercel {

/// Bytes for one cache line and for one AVX-512 register; every buffer starts on such a boundary.
inline constexpr size_t kAlignment = 64;

/// Owned, aligned, uninitialised bytes. Throws Error(limit) where the system has no more.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size);

  std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* data) const { ::operator delete (data, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

}  // namespace tercel

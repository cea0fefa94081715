// Memory that the kernels read as words.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace tercel::inline engines {

/// Words are aligned to their size; the largest that is compiled here has 1024 bytes.
template <typename T>
struct WordAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{4096};

  WordAllocator() = default;
  template <typename U>
  WordAllocator(const WordAllocator<U>&) {}  // NOLINT(google-explicit-constructor): what allocators have to have
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kAlignment)); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, kAlignment); }
  bool operator==(const WordAllocator&) const { return true; }
};

template <typename T>
using WordVector = std::vector<T, WordAllocator<T>>;

}  // namespace tercel::inline engines

// A tensor that owns its elements, or shares ownership of the file they lie in.
#pragma once

#include <atomic>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <vector>

#include "tensor/buffer.h"
#include "tensor/view.h"

namespace tercel::inline tensor {

class ElementSource;

/// Copies share the elements; elements of a shared tensor are not to be changed (mutable_data checks that).
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Tensor& other);
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor other) noexcept;
  ~Tensor() = default;

  /// Uninitialized elements.
  Tensor(DType dtype, Dims dims);

  /// Elements at `data`, which `owner` keeps alive. Any alignment. `mapped`: they lie in a mapped file.
  Tensor(DType dtype, Dims dims, const std::byte* data, std::shared_ptr<const void> owner, bool mapped = false);

  /// Elements that come from `source` when they are first looked at. Copies may be looked at from several threads.
  Tensor(DType dtype, Dims dims, std::shared_ptr<ElementSource> source);

  template <typename T>
  static Tensor of(Dims dims, const std::vector<T>& values) {
    Tensor tensor(dtype_of<T>(), std::move(dims));
    TERCEL_CHECK(tensor.elements() == static_cast<int64_t>(values.size()));
    for (size_t i = 0; i < values.size(); ++i) reinterpret_cast<T*>(tensor.mutable_data())[i] = values[i];
    return tensor;
  }
  template <typename T>
  static Tensor scalar(T value) {
    return of<T>({}, std::vector<T>{value});
  }

  explicit operator bool() const { return dtype_ != DType::none; }
  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int64_t rank() const { return static_cast<int64_t>(dims_.size()); }
  int64_t elements() const { return count_elements(dims_); }
  size_t bytes() const { return static_cast<size_t>(elements()) * size_of(dtype_); }

  const std::byte* data() const {
    const std::byte* data = data_.load(std::memory_order_acquire);
    return data != nullptr || source_ == nullptr ? data : make();
  }
  std::byte* mutable_data();  ///< only while nobody shares the elements

  /// Element i; works for any alignment.
  template <typename T>
  T at(int64_t i) const {
    TERCEL_CHECK(dtype_ == dtype_of<T>() && i >= 0 && i < elements());
    T value;
    std::memcpy(&value, data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    return value;
  }

  /// All elements as integers (any integer or bool type) or as doubles (any type). Throws Error for other types.
  std::vector<int64_t> to_ints() const;
  std::vector<double> to_doubles() const;

  /// No element of an f32 tensor is larger in magnitude; infinity where some are infinite or NaN. A source says it
  /// without making its elements (and may not know: infinity); of others it is looked for once.
  float bound() const;
  /// No element of an f32 tensor is infinite or NaN. Elements are made where the bound does not say it.
  bool finite() const;

  /// This tensor if its elements are aligned for their type, else an aligned copy.
  Tensor aligned() const;

  /// The same elements under another shape of the same size.
  Tensor reshaped(Dims dims) const;

  /// Writes all elements to `to`, and lets their memory go as release() does. Of a source whose elements nobody holds,
  /// they are made there.
  void move_elements(std::byte* to) const;

  /// Elements of a mapped file or of a source: lets their memory go until they are read again; of a source, what
  /// other copies hold stays. Nobody may be reading this tensor. Otherwise nothing.
  void release() const;

  /// Lazy and not materialized: has a source, and holds none of its elements.
  bool lazy() const { return source_ != nullptr && data_.load(std::memory_order_acquire) == nullptr; }

  /// What tells these elements from all others, without looking at them: copies have the same. The owner is null where
  /// nobody owns them.
  struct Identity {
    std::shared_ptr<const void> owner;
    const void* place = nullptr;
  };
  Identity identity() const {
    if (source_ != nullptr) return {source_, nullptr};
    return {owner_, data_.load()};
  }

  /// For kernels, which take View for sources too; sources are never written.
  View view() const { return {dtype_, dims_, const_cast<std::byte*>(data())}; }

  bool operator==(const Tensor& other) const;  ///< same type, shape and bytes

 private:
  static constexpr float kNotLookedFor = -1;

  const std::byte* make() const;

  DType dtype_ = DType::none;
  Dims dims_;
  // With a source, both are set together, once somebody looks.
  mutable std::atomic<const std::byte*> data_ = nullptr;
  mutable std::shared_ptr<const void> owner_;
  bool mapped_ = false;
  mutable std::atomic<float> bound_ = kNotLookedFor;
  std::shared_ptr<ElementSource> source_;
};

}  // namespace tercel::inline tensor

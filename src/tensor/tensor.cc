#include "tensor/tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/bits.h"
#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "tensor/element_source.h"

namespace tercel::inline tensor {

Buffer::Buffer(size_t size) : size_(size) {
  // Not aligned by the allocator: glibc 2.36's does not use the place of a freed block of the same size again, and a
  // network that is being packed would take a third more memory.
  if (size <= SIZE_MAX - kAlignment) block_.reset(std::malloc(size + kAlignment));
  if (block_ == nullptr) fail(ErrorCode::limit, "no memory for {} bytes", size);
}

std::shared_ptr<const Buffer> ElementSource::elements() {
  const std::lock_guard lock(making_);
  if (auto made = made_.lock()) return made;
  auto buffer = std::make_shared<Buffer>(bytes_);
  make_(buffer->data());
  made_ = buffer;
  return buffer;
}

bool ElementSource::write(std::byte* to) {
  const std::lock_guard lock(making_);
  if (held()) return false;
  make_(to);
  return true;
}

Tensor::Tensor(const Tensor& other)
    : dtype_(other.dtype_),
      dims_(other.dims_),
      mapped_(other.mapped_),
      bound_(other.bound_.load()),
      source_(other.source_) {
  std::unique_lock<std::mutex> lock;
  if (source_ != nullptr) lock = std::unique_lock(source_->holding_);
  data_ = other.data_.load();
  owner_ = other.owner_;
}

Tensor::Tensor(Tensor&& other) noexcept
    : dtype_(std::exchange(other.dtype_, DType::none)),
      dims_(std::move(other.dims_)),
      data_(other.data_.exchange(nullptr)),
      owner_(std::move(other.owner_)),
      mapped_(other.mapped_),
      bound_(other.bound_.exchange(kNotLookedFor)),
      source_(std::move(other.source_)) {}

Tensor& Tensor::operator=(Tensor other) noexcept {
  dtype_ = other.dtype_;
  dims_ = std::move(other.dims_);
  data_ = other.data_.load();
  owner_ = std::move(other.owner_);
  mapped_ = other.mapped_;
  source_ = std::move(other.source_);
  bound_ = other.bound_.load();
  return *this;
}

Tensor::Tensor(DType dtype, Dims dims, std::shared_ptr<ElementSource> source)
    : dtype_(dtype), dims_(std::move(dims)), source_(std::move(source)) {
  TERCEL_CHECK(source_->bytes_ == bytes());
}

const std::byte* Tensor::make() const {
  auto elements = source_->elements();
  const std::lock_guard lock(source_->holding_);
  if (data_ == nullptr) {
    owner_ = elements;
    data_.store(elements->data(), std::memory_order_release);
  }
  return data_;
}

Tensor::Tensor(DType dtype, Dims dims) : dtype_(dtype), dims_(std::move(dims)) {
  auto buffer = std::make_shared<Buffer>(bytes());
  data_ = buffer->data();
  owner_ = std::move(buffer);
}

Tensor::Tensor(DType dtype, Dims dims, const std::byte* data, std::shared_ptr<const void> owner, bool mapped)
    : dtype_(dtype), dims_(std::move(dims)), data_(data), owner_(std::move(owner)), mapped_(mapped) {}

void Tensor::move_elements(std::byte* to) const {
  if (source_ == nullptr || data_ != nullptr || !source_->write(to)) std::memcpy(to, data(), bytes());
  release();
}

MakeSlice slices(const Tensor& tensor, int64_t axis) {
  if (!tensor.lazy()) return nullptr;
  // A lazy tensor is told from others by its source.
  const auto source = std::static_pointer_cast<const ElementSource>(tensor.identity().owner);
  if (source->slices_.begin == nullptr || source->slices_.axis != axis) return nullptr;
  {
    const std::lock_guard lock(source->making_);
    if (source->held()) return nullptr;
  }
  return source->slices_.begin();
}

void Tensor::release() const {
  if (mapped_) release_pages(data_, bytes());
  if (source_ == nullptr) return;
  if (source_->slices_.release) source_->slices_.release();
  const std::lock_guard lock(source_->holding_);
  data_ = nullptr;
  owner_.reset();
}

std::byte* Tensor::mutable_data() {
  TERCEL_CHECK(source_ == nullptr && owner_.use_count() == 1, "elements are shared");
  bound_ = kNotLookedFor;
  return const_cast<std::byte*>(data_.load());
}

float Tensor::bound() const {
  TERCEL_CHECK(dtype_ == DType::f32);
  if (source_ != nullptr) return source_->bound_;
  if (const float known = bound_; known != kNotLookedFor) return known;
  // Without their signs, f32 are ordered as their bits are, with infinity and NaN above all else.
  // Signed: SSE2 compares no others.
  constexpr int32_t kInfinity = 0x7F800000, kMagnitude = 0x7FFFFFFF;
  std::atomic<int32_t> largest = 0;
  const std::byte* from = data();
  parallel_for(elements(), int64_t{1} << 20, [&](int64_t begin, int64_t end) {
    int32_t most = 0;
    for (int64_t i = begin; i < end; ++i)
      most = std::max(most, load_unaligned<int32_t>(from + i * static_cast<int64_t>(sizeof(float))) & kMagnitude);
    for (int32_t seen = largest; seen < most && !largest.compare_exchange_weak(seen, most);) {
    }
  });
  bound_ = std::bit_cast<float>(std::min(largest.load(), kInfinity));
  return bound_;
}

bool Tensor::finite() const {
  if (std::isfinite(bound())) return true;
  if (source_ == nullptr) return false;  // all were looked at
  const std::byte* from = data();
  for (int64_t i = 0; i < elements(); ++i)
    if (!std::isfinite(load_unaligned<float>(from + i * static_cast<int64_t>(sizeof(float))))) return false;
  return true;
}

std::vector<int64_t> Tensor::to_ints() const {
  if (!is_integer(dtype_) && dtype_ != DType::boolean) fail_input("expected integers, got {}", to_string(dtype_));
  return visit_dtype(dtype_, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<int64_t> values(static_cast<size_t>(elements()));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int64_t>(at<T>(static_cast<int64_t>(i)));
    return values;
  });
}

std::vector<double> Tensor::to_doubles() const {
  return visit_dtype(dtype_, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> values(static_cast<size_t>(elements()));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(at<T>(static_cast<int64_t>(i)));
    return values;
  });
}

Tensor Tensor::aligned() const {
  if (dtype_ == DType::none || reinterpret_cast<uintptr_t>(data()) % size_of(dtype_) == 0) return *this;
  Tensor copy(dtype_, dims_);
  std::memcpy(copy.mutable_data(), data(), bytes());
  return copy;
}

Tensor Tensor::reshaped(Dims dims) const {
  TERCEL_CHECK(count_elements(dims) == elements(), "{} to {}", to_string(dims_), to_string(dims));
  Tensor other = *this;
  other.dims_ = std::move(dims);
  return other;
}

bool Tensor::operator==(const Tensor& other) const {
  return dtype_ == other.dtype_ && dims_ == other.dims_ &&
         (dtype_ == DType::none || bytes() == 0 || std::memcmp(data(), other.data(), bytes()) == 0);
}

}  // namespace tercel::inline tensor

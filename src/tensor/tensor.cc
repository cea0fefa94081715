#include "tensor/tensor.h"

#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace tercel {

Buffer::Buffer(size_t size) : size_(size) {
  void* data = ::operator new (size, std::align_val_t{kAlignment}, std::nothrow);
  if (data == nullptr) fail(ErrorCode::limit, "no memory for {} bytes", size);
  data_.reset(static_cast<std::byte*>(data));
}

Tensor::Tensor(DType dtype, Dims dims) : dtype_(dtype), dims_(std::move(dims)) {
  auto buffer = std::make_shared<Buffer>(bytes());
  data_ = buffer->data();
  owner_ = std::move(buffer);
}

Tensor::Tensor(DType dtype, Dims dims, const std::byte* data, std::shared_ptr<const void> owner, bool mapped)
    : dtype_(dtype), dims_(std::move(dims)), data_(data), owner_(std::move(owner)), mapped_(mapped) {}

void Tensor::release() const {
  if (mapped_) release_pages(data_, bytes());
}

std::byte* Tensor::mutable_data() {
  TERCEL_CHECK(owner_.use_count() == 1, "elements are shared");
  return const_cast<std::byte*>(data_);
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
  if (dtype_ == DType::none || reinterpret_cast<uintptr_t>(data_) % size_of(dtype_) == 0) return *this;
  Tensor copy(dtype_, dims_);
  std::memcpy(copy.mutable_data(), data_, bytes());
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
         (dtype_ == DType::none || bytes() == 0 || std::memcmp(data_, other.data_, bytes()) == 0);
}

}  // namespace tercel

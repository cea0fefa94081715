#include "kernels/packed_weights.h"

namespace tercel::inline kernels {

bool PackedWeights::Key::operator<(const Key& other) const {
  const std::owner_less<std::weak_ptr<const void>> less;
  if (less(owner, other.owner)) return true;
  if (less(other.owner, owner)) return false;
  return std::tie(place, dtype, dims, form) < std::tie(other.place, other.dtype, other.dims, other.form);
}

std::shared_ptr<const Buffer> PackedWeights::get(const Tensor& constant, const std::string& form, size_t bytes,
                                                 const std::function<void(std::byte* packed)>& pack) {
  const auto make = [&] {
    auto buffer = std::make_shared<Buffer>(bytes);
    pack(buffer->data());
    return buffer;
  };
  const Tensor::Identity identity = constant.identity();
  if (identity.owner == nullptr) return make();  // borrowed elements: nothing tells when they change
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [](const auto& e) {
      const std::unique_lock looking(e.second->packing, std::try_to_lock);  // else somebody packs it just now
      return looking && e.second.use_count() == 1 && e.second->packed.expired();
    });
    auto& known = entries_[{identity.owner, identity.place, constant.dtype(), constant.dims(), form}];
    if (known == nullptr) known = std::make_shared<Entry>();
    entry = known;
  }
  const std::lock_guard lock(entry->packing);
  if (auto packed = entry->packed.lock()) return packed;
  auto packed = make();
  entry->packed = packed;
  return packed;
}

size_t PackedWeights::bytes() const {
  const std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const auto& entry : entries_) {
    const std::lock_guard looking(entry.second->packing);
    if (const auto packed = entry.second->packed.lock()) sum += packed->size();
  }
  return sum;
}

}  // namespace tercel::inline kernels

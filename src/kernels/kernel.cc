#include "kernels/kernel.h"

namespace tercel {

std::string_view to_string(Layout layout) { return layout == Layout::plain ? "plain" : "channels_last"; }

const Operand& Problem::input(size_t i) const {
  static const Operand absent;
  return i < src.size() ? src[i] : absent;
}

std::shared_ptr<const Buffer> Problem::packed(size_t i, const std::string& form, size_t bytes,
                                              const std::function<void(std::byte* packed)>& pack) const {
  PackedWeights alone;
  return (shared == nullptr ? alone : *shared).get(src[i].constant, form, bytes, pack);
}

}  // namespace tercel

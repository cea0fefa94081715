#include "kernels/kernel.h"

#include "base/error.h"

namespace tercel::inline kernels {

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

std::string Variant::cannot(const Problem& problem) const {
  const Operand& first = problem.input(0);
  if (elements == Elements::f32 && first.dtype != DType::f32)
    return fmt::format("elements are {}, not f32", to_string(first.dtype));
  if (elements == Elements::levels && !is_level_type(first.dtype))
    return fmt::format("elements are {}, not u8 or i8", to_string(first.dtype));
  if (elements == Elements::levels && first.quantization == nullptr) return "nobody says what the levels stand for";
  return refuse(problem);
}

std::string Variant::why_not(const Problem& problem) const {
  if (std::string reason = cannot(problem); !reason.empty()) return reason;
  if (slower == nullptr) return {};
  const std::string reason = slower(problem);
  return reason.empty() ? reason : "slower here: " + reason;
}

}  // namespace tercel::inline kernels

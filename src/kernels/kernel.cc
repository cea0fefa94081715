#include "kernels/kernel.h"

namespace tercel {

std::string_view to_string(Layout layout) { return layout == Layout::plain ? "plain" : "channels_last"; }

const Operand& Problem::input(size_t i) const {
  static const Operand absent;
  return i < src.size() ? src[i] : absent;
}

}  // namespace tercel

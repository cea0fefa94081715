// Operators that keep elements and their order.
#include "kernels/ref/shape.h"

#include "kernels/ref/copy.h"

namespace tercel::inline kernels {
namespace {

void reshape(const Attrs&, std::span<const View> src, std::span<const View> dst) { copy_all(dst[0], src[0]); }

}  // namespace

std::vector<RefEntry> reshape_refs() {
  return {{"Flatten", reshape}, {"Reshape", reshape}, {"Squeeze", reshape}, {"Unsqueeze", reshape}};
}

}  // namespace tercel::inline kernels

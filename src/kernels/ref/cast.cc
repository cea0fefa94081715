// Changing the element type, or nothing at all.
#include "kernels/ref/copy.h"
#include "kernels/ref/elementwise.h"

namespace tercel::inline kernels {
namespace {

/// Real to whole: towards zero, saturating, NaN to 0. Whole to whole: wraps. To bool: anything but 0 is true.
void cast(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const int64_t count = dst[0].elements();
  visit_dtype(src[0].dtype, [&](auto from_tag) {
    using From = typename decltype(from_tag)::type;
    const From* from = src[0].as<From>();
    visit_dtype(dst[0].dtype, [&](auto to_tag) {
      using To = typename decltype(to_tag)::type;
      To* to = dst[0].as<To>();
      for (int64_t i = 0; i < count; ++i) to[i] = convert<To>(static_cast<Compute<From>>(from[i]));
    });
  });
}

void identity(const Attrs&, std::span<const View> src, std::span<const View> dst) { copy_all(dst[0], src[0]); }

}  // namespace

std::vector<RefEntry> cast_refs() {
  return {
      {"Cast", cast},
      {"CastLike", cast},
      {"Identity", identity},
  };
}

}  // namespace tercel::inline kernels

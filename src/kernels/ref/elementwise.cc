#include "kernels/ref/elementwise.h"

namespace tercel::inline kernels {

std::vector<RefEntry> elementwise_refs() {
  std::vector<RefEntry> all;
  for (auto part : {activation_refs, arithmetic_refs, cast_refs, logic_refs, unary_math_refs})
    for (const RefEntry& entry : part()) all.push_back(entry);
  return all;
}

}  // namespace tercel::inline kernels

// dst += scale * a b, for matrices that lie any way.
#pragma once

#include "quant/gradient_rule.h"

namespace tercel::inline quant {

/// Element (i, j) lies at data[i * row + j * column].
struct Strided {
  const float* data = nullptr;
  int64_t row = 0;
  int64_t column = 1;
  Strided transposed() const { return {data, column, row}; }
};

/// a is m x k, b is k x n, dst is m rows of n that are `pitch` apart. `packed`: where b is constant, keeps its packed
/// form from call to call; must be of one b. Runs on as many threads as base/threads.h says.
struct StridedProduct {
  int64_t m = 0, n = 0, k = 0;
  Strided a, b;
  float* dst = nullptr;
  int64_t pitch = 0;
  float scale = 1;
  bool add = true;  ///< false: dst = instead of dst +=
};
void multiply(const StridedProduct& product, Isa isa, Workspace& workspace, Buffer* packed = nullptr);

}  // namespace tercel::inline quant

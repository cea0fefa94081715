#include "quant/gradient_product.h"

#include <algorithm>

#include "base/threads.h"
#include "kernels/simd/gemm.h"

namespace tercel::inline quant {
namespace {

/// Rows at a time that are too few to be worth packing b.
constexpr int64_t kFewRows = 4;

GemmJob job_of(const StridedProduct& p, Strided a) {
  GemmJob job;
  job.m = p.m;
  job.n = p.n;
  job.depth = p.k;
  job.a = a.data;
  job.lda = a.row;
  job.dst = p.dst;
  job.ldd = p.pitch;
  job.scale = p.scale;
  job.residual = p.add ? p.dst : nullptr;
  return job;
}

/// Sums of rows of b, which is read once, where it lies.
void add_rows(const StridedProduct& p, Strided a) {
  parallel_for(p.n, std::max<int64_t>(16, 16384 / (p.k + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < p.m; ++i) {
      float* to = p.dst + i * p.pitch;
      if (!p.add) std::fill(to + begin, to + end, 0.0f);
      for (int64_t t = 0; t < p.k; ++t) {
        const float factor = p.scale * a.data[i * a.row + t];
        const float* from = p.b.data + t * p.b.row;
        for (int64_t j = begin; j < end; ++j) to[j] += factor * from[j];
      }
    }
  });
}

}  // namespace

void multiply(const StridedProduct& p, Isa isa, Workspace& workspace, Buffer* packed) {
  if (p.m == 0 || p.n == 0) return;
  Strided a = p.a;
  if (a.column != 1) {  // products want rows of a in one piece
    float* rows = workspace.floats(0, p.m * p.k);
    for (int64_t i = 0; i < p.m; ++i)
      for (int64_t t = 0; t < p.k; ++t) rows[i * p.k + t] = a.data[i * a.row + t * a.column];
    a = {rows, p.k, 1};
  }
  if (p.m <= kFewRows && p.b.column == 1) return add_rows(p, a);
  GemmJob job = job_of(p, a);
  if (p.m <= kFewRows && p.b.row == 1 && p.b.column == p.k)
    return gemv_transposed(job, reinterpret_cast<const std::byte*>(p.b.data), isa);
  const auto floats = static_cast<int64_t>(packed_b_floats(p.k, p.n, isa));
  float* to = nullptr;
  bool have = false;
  if (packed != nullptr) {
    have = packed->size() > 0;
    if (!have) *packed = Buffer(static_cast<size_t>(floats) * sizeof(float));
    to = reinterpret_cast<float*>(packed->data());
  } else {
    to = workspace.floats(1, floats);
  }
  if (!have)
    pack_b(reinterpret_cast<const std::byte*>(p.b.data), strided_offsets(p.k, p.b.row), p.n, p.b.column, isa, to);
  job.b = to;
  gemm(job, isa);
}

}  // namespace tercel::inline quant

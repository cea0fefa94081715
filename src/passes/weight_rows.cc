#include "passes/weight_rows.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "passes/weight_rows.cc"
// clang-format off
#include "base/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

// Plain loops: the compiler makes vectors of them, of each target's width. Multiplications and additions are not fused
// (cmake/layers.cmake), which would give other bits where there are such instructions.
HWY_BEFORE_NAMESPACE();
namespace tercel::inline passes {
namespace HWY_NAMESPACE {

HWY_ATTR inline double At(const std::byte* row, int64_t i) {
  float value;
  std::memcpy(&value, row + i * static_cast<int64_t>(sizeof(float)), sizeof(value));
  return static_cast<double>(value);
}

HWY_ATTR void SumRows(const std::byte* m, int64_t stride, int64_t rows, int64_t begin, int64_t end,
                      const double* HWY_RESTRICT factor, double* HWY_RESTRICT sums) {
  const int64_t bytes = stride * static_cast<int64_t>(sizeof(float));
  for (int64_t c = begin; c < end; ++c) sums[c] = 0;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {  // so that a sum is fetched and put back once for four rows
    const std::byte* at = m + r * bytes;
    const double f0 = factor[r], f1 = factor[r + 1], f2 = factor[r + 2], f3 = factor[r + 3];
    for (int64_t c = begin; c < end; ++c)
      sums[c] += (f0 * At(at, c) + f1 * At(at + bytes, c)) + (f2 * At(at + 2 * bytes, c) + f3 * At(at + 3 * bytes, c));
  }
  for (; r < rows; ++r)
    for (int64_t c = begin; c < end; ++c) sums[c] += factor[r] * At(m + r * bytes, c);
}

HWY_ATTR void SumAlongRows(const std::byte* m, int64_t stride, int64_t begin, int64_t end, int64_t columns,
                           const double* HWY_RESTRICT factor, double* HWY_RESTRICT result) {
  constexpr int64_t kSums = 8;  // that do not wait for each other
  for (int64_t r = begin; r < end; ++r) {
    const std::byte* row = m + r * stride * static_cast<int64_t>(sizeof(float));
    double sums[kSums] = {};
    int64_t c = 0;
    for (; c + kSums <= columns; c += kSums)
      for (int64_t i = 0; i < kSums; ++i) sums[i] += factor[c + i] * At(row, c + i);
    for (; c < columns; ++c) sums[0] += factor[c] * At(row, c);
    double total = 0;
    for (double sum : sums) total += sum;
    result[r] = total;
  }
}

HWY_ATTR void ScaleRows(const EditedRows& m, const double* HWY_RESTRICT factor) {
  for (int64_t r = 0; r < m.rows; ++r) {
    float* HWY_RESTRICT w = m.elements + r * m.stride;
    const double by = factor[r];
    // Doubles hold the product of two f32 exactly, so that one f32 multiplication gives the same, in half of the time.
    if (const auto narrow = static_cast<float>(by); static_cast<double>(narrow) == by)
      for (int64_t c = 0; c < m.columns; ++c) w[c] *= narrow;
    else
      for (int64_t c = 0; c < m.columns; ++c) w[c] = static_cast<float>(by * static_cast<double>(w[c]));
  }
}

HWY_ATTR void ScaleColumns(const EditedRows& m, const double* HWY_RESTRICT factor) {
  for (int64_t r = 0; r < m.rows; ++r) {
    float* HWY_RESTRICT w = m.elements + r * m.stride;
    for (int64_t c = 0; c < m.columns; ++c) w[c] = static_cast<float>(factor[c] * static_cast<double>(w[c]));
  }
}

HWY_ATTR void SubtractFromRows(const EditedRows& m, const double* HWY_RESTRICT by) {
  for (int64_t r = 0; r < m.rows; ++r) {
    float* HWY_RESTRICT w = m.elements + r * m.stride;
    const double less = by[r];
    for (int64_t c = 0; c < m.columns; ++c) w[c] = static_cast<float>(static_cast<double>(w[c]) - less);
  }
}

HWY_ATTR void SubtractFromColumns(const EditedRows& m, const double* HWY_RESTRICT by) {
  for (int64_t r = 0; r < m.rows; ++r) {
    float* HWY_RESTRICT w = m.elements + r * m.stride;
    for (int64_t c = 0; c < m.columns; ++c) w[c] = static_cast<float>(static_cast<double>(w[c]) - by[c]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline passes
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline passes {
namespace {

/// Looked for once: it asks the processor and the environment.
const Isa& isa() {
  static const Isa isa = chosen_isa();
  return isa;
}

}  // namespace

void sum_rows(const std::byte* m, int64_t stride, int64_t rows, int64_t begin, int64_t end, const double* factor,
              double* sums) {
  TERCEL_PICK(isa(), SumRows)(m, stride, rows, begin, end, factor, sums);
}
void sum_along_rows(const std::byte* m, int64_t stride, int64_t begin, int64_t end, int64_t columns,
                    const double* factor, double* sums) {
  TERCEL_PICK(isa(), SumAlongRows)(m, stride, begin, end, columns, factor, sums);
}
void scale_rows(const EditedRows& m, const double* factor) { TERCEL_PICK(isa(), ScaleRows)(m, factor); }
void scale_columns(const EditedRows& m, const double* factor) { TERCEL_PICK(isa(), ScaleColumns)(m, factor); }
void subtract_from_rows(const EditedRows& m, const double* by) { TERCEL_PICK(isa(), SubtractFromRows)(m, by); }
void subtract_from_columns(const EditedRows& m, const double* by) { TERCEL_PICK(isa(), SubtractFromColumns)(m, by); }

}  // namespace tercel::inline passes
#endif

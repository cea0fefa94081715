// The product of gemm.h on levels: u8 or i8 by 16-bit weights, summed in int32, ending in levels.
//
//   dst[i, j] = requantize(sum_t sum_k row(i, t)[k] * b[t, k, j] + bias[j], ratio[j])     (tensor/requantize.h)
//
// b holds weights less their zero points, which 9 bits hold; 16 are what every instruction set multiplies exactly. The
// zero point of rows is in the bias: sum (x - zero) w = sum x w - zero sum w. Sums wrap on the way, their end fits.
#pragma once

#include "kernels/simd/gemm.h"
#include "tensor/requantize.h"

namespace tercel::inline kernels {

GemmTile levels_tile(Isa isa);

/// 16-bit elements that a packed b takes: per tap, depth rounded up to pairs.
size_t packed_levels(int64_t depth, int64_t taps, int64_t n, Isa isa);

/// `weight(k, n)` gives weights less their zero points; k counts tap by tap, depth innermost.
template <typename F>
void pack_levels(int64_t depth, int64_t taps, int64_t n, Isa isa, F&& weight, int16_t* packed) {
  const int64_t columns = levels_tile(isa).columns, pairs = div_up<int64_t>(depth, 2);
  for (int64_t panel = 0; panel < div_up(n, columns); ++panel)
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t pair = 0; pair < pairs; ++pair)
        for (int64_t j = 0; j < columns; ++j)
          for (int64_t half = 0; half < 2; ++half) {
            const int64_t k = 2 * pair + half, column = panel * columns + j;
            *packed++ = k < depth && column < n ? weight(tap * depth + k, column) : int16_t{0};
          }
}

/// What a column of the result ends with. Arrays are as long as whole panels.
struct LevelColumns {
  std::vector<int32_t> bias, multiplier, shift;
  LevelRange to;

  LevelColumns() = default;
  LevelColumns(int64_t n, Isa isa, LevelRange range);
  void set(int64_t column, int32_t bias_of_column, Ratio ratio);
};

struct LevelsJob {
  int64_t m = 0, n = 0;
  int64_t depth = 0;  ///< k per tap
  int taps = 1;
  RowFinderOf<uint8_t> find_rows = nullptr;  ///< null: row i is a + i * lda
  const void* context = nullptr;
  const uint8_t* a = nullptr;
  bool a_signed = false;
  int64_t lda = 0;
  const int16_t* b = nullptr;  ///< packed
  uint8_t* dst = nullptr;      ///< of either type: the range of its columns says which
  int64_t ldd = 0;
  const LevelColumns* columns = nullptr;
};

/// On as many threads as base/threads.h says.
void gemm_levels(const LevelsJob& job, Isa isa);

}  // namespace tercel::inline kernels

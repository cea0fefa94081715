// The product of gemm.h on levels: u8 or i8 by 16-bit weights, summed in int32, ending in levels.
//
//   dst[i, j] = requantize(sum_t sum_k row(i, t)[k] * b[t, k, j] + bias[j], ratio[j])     (tensor/requantize.h)
//
// b holds weights less their zero points. 9 bits hold them, and 16 are what every instruction set multiplies exactly,
// in pairs; 8 bits in quads where there is VNNI and all of them fit. The zero point of rows is in the bias: sum (x -
// zero) w = sum x w - zero sum w. Sums wrap on the way, their end fits.
#pragma once

#include "kernels/kernel.h"
#include "kernels/simd/gemm.h"
#include "tensor/requantize.h"

namespace tercel::inline kernels {

GemmTile levels_tile(Isa isa);

/// How a packed b lies in memory: `group` weights of one column side by side, 2 of 16 bits or 4 of 8, then the columns
/// of a panel.
struct LevelsForm {
  int group;
  int columns;
  bool operator==(const LevelsForm&) const = default;
};
LevelsForm levels_form(Isa isa, const Operand& weights);

/// Bytes that a packed b takes: per tap, depth rounded up to groups.
inline size_t packed_levels(int64_t depth, int64_t taps, int64_t n, const LevelsForm& form) {
  return static_cast<size_t>(taps * round_up<int64_t>(depth, form.group) * round_up<int64_t>(n, form.columns)) *
         (form.group == 4 ? sizeof(int8_t) : sizeof(int16_t));
}

/// `weight(k, n)` gives weights less their zero points; k counts tap by tap, depth innermost.
template <typename F>
void pack_levels(int64_t depth, int64_t taps, int64_t n, const LevelsForm& form, F&& weight, std::byte* packed) {
  const auto pack = [&](auto* to) {
    for (int64_t panel = 0; panel < div_up<int64_t>(n, form.columns); ++panel)
      for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t first = 0; first < depth; first += form.group)
          for (int64_t j = 0; j < form.columns; ++j)
            for (int64_t k = first; k < first + form.group; ++k) {
              const int64_t column = panel * form.columns + j;
              const int32_t value = k < depth && column < n ? weight(tap * depth + k, column) : 0;
              *to++ = static_cast<std::remove_pointer_t<decltype(to)>>(value);
            }
  };
  if (form.group == 4) pack(reinterpret_cast<int8_t*>(packed));
  else pack(reinterpret_cast<int16_t*>(packed));
}

/// What a column of the result ends with. Arrays are as long as whole panels.
struct LevelColumns {
  std::vector<int32_t> bias;
  std::vector<float> ratio;
  LevelRange to;
  bool in_floats = false;  ///< all columns' sums are small enough: floats_requantize()

  LevelColumns() = default;
  LevelColumns(int64_t n, const LevelsForm& form, LevelRange range);
  template <typename Job>
  void give_to(Job& job) const {
    job.bias = bias.data();
    job.ratio = ratio.data();
    job.to = to;
    job.in_floats = in_floats;
  }
  size_t bytes() const { return bias.size() * (sizeof(int32_t) + sizeof(float)); }
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
  const std::byte* b = nullptr;  ///< packed
  int group = 2;                 ///< of its form
  uint8_t* dst = nullptr;        ///< of either type: the range of its columns says which
  int64_t ldd = 0;
  const int32_t* bias = nullptr;  ///< of whole panels, and so are the ratios
  const float* ratio = nullptr;
  LevelRange to;
  bool in_floats = false;
};

/// On as many threads as base/threads.h says.
void gemm_levels(const LevelsJob& job, Isa isa);

}  // namespace tercel::inline kernels

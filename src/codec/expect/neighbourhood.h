// Prediction of a level from levels that are already decoded.
//
// A level's magnitude is expected to be what it was lately in its row and its column; inside a kernel also what its
// neighbours are. Trained kernels are smooth: a weighted sum of the neighbours predicts the sign.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bits.h"
#include "codec/chunks.h"
#include "codec/trellis.h"

namespace tercel::codec {

/// Classes of expected magnitude are half octaves; kMeanOne is that of magnitude 1.
inline constexpr int kMagnitudes = 54, kMeanOne = 8;
/// From this class on, magnitudes lose low bits: their high part then has the mean of class 11 or 12.
inline constexpr int kFirstShifted = 13;
/// Confidences of a predicted sign; 0: none is predicted.
inline constexpr int kConfidences = 10;

/// Bits of a magnitude of this class that are split off as its low part.
inline int low_bits_of(int magnitude) { return magnitude < kFirstShifted ? 0 : (magnitude - kFirstShifted + 2) / 2; }

/// Context clip: levels are clipped to +- this before they enter contexts and predictions.
inline constexpr int32_t kContextClip = 1 << 14;

/// Classes of column are half octaves: 2^(class / 2) in 1/256, and its inverse in 1/65536.
inline constexpr std::array<uint32_t, kColumnClasses> kClassScale = {
    256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096, 5793, 8192, 11585, 16384, 23170, 32768, 46341};
inline constexpr std::array<uint32_t, kColumnClasses> kClassInverse = {
    65536, 46341, 32768, 23170, 16384, 11585, 8192, 5793, 4096, 2896, 2048, 1448, 1024, 724, 512, 362};

/// State of a row, besides its levels.
struct RowState {
  uint32_t mean = 0;      ///< running mean of magnitudes, in 1/256
  int64_t in_kernel = 0;  ///< position in the kernel
};

/// The neighbourhood of the next level of a chunk: all that its prediction depends on.
class Neighbourhood {
 public:
  /// The chunk's own columns count from 0 from here on. The classes outlive this object.
  Neighbourhood(const MatrixShape& shape, const Chunk& chunk, const ContextInit& init);

  void start_row() { row_state_.mean = mean_; }

  /// Of the level of `column`; `row` holds the levels before it.
  template <bool kKernel, bool kClasses>
  [[gnu::always_inline]] Expected expect(const int32_t* row, int64_t column) const {
    return expect<kKernel, kClasses>(row_state_, row, column);
  }
  /// The same for a row in another state than that of the levels seen by update().
  template <bool kKernel, bool kClasses>
  [[gnu::always_inline]] Expected expect(const RowState& row_state, const int32_t* row, int64_t column) const {
    uint64_t expected = row_state.mean;
    if constexpr (kClasses) expected = (expected * kClassScale[classes_[static_cast<size_t>(column)]]) >> 8;
    expected += columns_[static_cast<size_t>(column)];
    int32_t predicted = 0;
    if constexpr (kKernel) {
      const Position& at = positions_[static_cast<size_t>(row_state.in_kernel)];
      const int32_t* here = row + column;
      const int32_t left = at.has_left ? clipped(here[-1]) : 0;
      const int32_t up = at.has_up ? clipped(here[-kernel_width_]) : 0;
      const int32_t corner = at.has_left && at.has_up ? clipped(here[-kernel_width_ - 1]) : 0;
      const int32_t before = column >= kernel_ ? clipped(here[-kernel_]) : 0;
      predicted = (left * weights_[0] + up * weights_[1] + corner * weights_[2] + before * weights_[3]) *
                  (kUnit / ContextInit::kWeightOne);
      expected += static_cast<uint64_t>(std::abs(left) + std::abs(up)) * kUnit;
      expected = (expected * at.share) >> 8;
      expected += static_cast<uint32_t>(std::abs(predicted));
    }
    Expected e;
    e.magnitude = magnitude_class(expected);
    if constexpr (kKernel) {
      e.negative = predicted < 0;
      const int predicted_class = magnitude_class(static_cast<uint64_t>(std::abs(predicted)) * 2);
      e.confidence = predicted == 0 ? 0 : std::clamp(predicted_class - e.magnitude + 7, 0, kConfidences - 1);
    }
    return e;
  }

  /// The level of this column is decoded now.
  template <bool kKernel, bool kClasses>
  [[gnu::always_inline]] void update(int64_t column, int32_t level) {
    const auto magnitude = static_cast<uint32_t>(std::abs(clipped(level)));
    uint32_t& mean = columns_[static_cast<size_t>(column)];
    mean = updated(mean, magnitude * kUnit);
    advance<kKernel, kClasses>(row_state_, column, level);
  }
  /// Advances a row's state by this level; columns are not updated.
  template <bool kKernel, bool kClasses>
  [[gnu::always_inline]] void advance(RowState& row_state, int64_t column, int32_t level) const {
    uint32_t row_value = static_cast<uint32_t>(std::abs(clipped(level))) * kUnit;
    if constexpr (kClasses)
      row_value =
          static_cast<uint32_t>((uint64_t{row_value} * kClassInverse[classes_[static_cast<size_t>(column)]]) >> 16);
    row_state.mean = updated(row_state.mean, row_value);
    if constexpr (kKernel)
      if (++row_state.in_kernel == kernel_) row_state.in_kernel = 0;
  }

  const RowState& row_state() const { return row_state_; }
  int64_t kernel() const { return kernel_; }
  bool has_kernel() const { return kernel_ > 1; }
  bool has_classes() const { return !classes_.empty(); }

 private:
  static constexpr int kMeanShift = 4;  // means move by 2^-4 of the way
  static constexpr int kUnit = ContextInit::kUnit;

  struct Position {
    bool has_left, has_up;
    uint16_t share;  ///< 256 * 2 / means and neighbours that are averaged
  };

  static int32_t clipped(int32_t level) { return std::clamp(level, -kContextClip, kContextClip); }
  static uint32_t updated(uint32_t mean, uint32_t value) {
    return mean + static_cast<uint32_t>(static_cast<int32_t>(value - mean) >> kMeanShift);
  }
  /// Of twice a mean in 1/256.
  static int magnitude_class(uint64_t twice) {
    const auto sum = static_cast<uint32_t>(twice) | 32;
    const int top = highest_bit(sum);
    return 2 * top + static_cast<int>(sum >> (top - 1) & 1) - (2 * 9 - kMeanOne);
  }

  int64_t kernel_width_, kernel_;
  uint32_t mean_;
  RowState row_state_;
  std::array<int32_t, 4> weights_;
  std::span<const uint8_t> classes_;
  std::vector<Position> positions_;
  std::vector<uint32_t> columns_;
};

/// `body` with two compile-time flags.
template <typename Body>
decltype(auto) with_flags(bool a, bool b, Body&& body) {
  if (a && b) return body(std::true_type(), std::true_type());
  if (a) return body(std::true_type(), std::false_type());
  if (b) return body(std::false_type(), std::true_type());
  return body(std::false_type(), std::false_type());
}

/// Every level of some chunks of equal columns, each chunk's in its order, the chunks in turn: each level
/// depends on the one before it, so the processor overlaps the latencies of several chunks. `code(i, expected, level)`
/// codes one level of chunk i and returns it; readers ignore the level they are given. `row_of(i, r)` points to the
/// chunk's first column in its row r, where writers find the levels and `put(slot, level)` of readers leaves them.
template <bool kTrellis, size_t kChunks, typename RowOf, typename Put, typename Code>
void visit_chunks(const MatrixShape& shape, const std::array<Chunk, kChunks>& chunks, const ContextInit& init,
                  RowOf&& row_of, Put&& put, Code&& code) {
  const auto at_once = std::make_index_sequence<kChunks>();
  const auto neighbourhoods_of = [&]<size_t... i>(std::index_sequence<i...>) {
    return std::array{Neighbourhood(shape, chunks[i], init)...};
  };
  std::array neighbourhoods = neighbourhoods_of(at_once);
  [[maybe_unused]] std::array<TrellisState, kChunks> trellis;
  const auto start_row = [&](size_t i) __attribute__((always_inline)) {
    neighbourhoods[i].start_row();
    if constexpr (kTrellis) trellis[i] = {};
  };
  const int64_t columns = chunks[0].columns;
  const int64_t rows = std::min_element(chunks.begin(), chunks.end(), [](const Chunk& a, const Chunk& b) {
                         return a.rows < b.rows;
                       })->rows;
  with_flags(neighbourhoods[0].has_kernel(), neighbourhoods[0].has_classes(), [&](auto kernel, auto classes) {
    const auto visit = [&](size_t i, auto* row, int64_t c) __attribute__((always_inline)) {
      Neighbourhood& neighbourhood = neighbourhoods[i];
      Expected expected = neighbourhood.template expect<kernel.value, classes.value>(row, c);
      if constexpr (kTrellis) expected.quantizer = trellis[i].quantizer();
      const int32_t level = code(i, expected, row[c]);
      put(row[c], level);
      if constexpr (kTrellis) trellis[i].advance(level);
      neighbourhood.template update<kernel.value, classes.value>(c, level);
    };
    const auto visit_together = [&]<size_t... i>(std::index_sequence<i...>) {
      for (int64_t r = 0; r < rows; ++r) {
        const std::array row{row_of(i, r)...};
        (start_row(i), ...);
        for (int64_t c = 0; c < columns; ++c) (visit(i, row[i], c), ...);
      }
    };
    visit_together(at_once);
    if constexpr (kChunks > 1)
      for (size_t i = 0; i < kChunks; ++i)  // a last band may be shorter than the others
        for (int64_t r = rows; r < chunks[i].rows; ++r) {
          auto* row = row_of(i, r);
          start_row(i);
          for (int64_t c = 0; c < columns; ++c) visit(i, row, c);
        }
  });
}

}  // namespace tercel::codec

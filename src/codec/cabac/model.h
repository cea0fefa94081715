// Which contexts a level of the `max` profile is coded in.
//
// A level's magnitude is expected to be what it was lately in its row and its column; inside a kernel also what its
// neighbours are. The expectation, in half octaves, picks a group of contexts. Trained kernels are smooth: a weighted
// sum of the neighbours tells the sign, and whether the sign came as told tells more of the magnitude.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "codec/cabac/context.h"
#include "codec/chunks.h"
#include "codec/syntax/level.h"

namespace tercel::codec {

/// Half octaves of expected magnitude that have contexts of their own; kMeanOne is that of magnitude 1.
inline constexpr int kMagnitudes = 54, kMeanOne = 8;
/// From this class on, magnitudes lose low bits: their high part then has the mean of class 11 or 12.
inline constexpr int kFirstShifted = 13;

/// Contexts of one class of expected magnitude.
struct MagnitudeContexts {
  BinContext positive;
  std::array<BinContext, kUnary - 1> above;
  std::array<BinContext, 2> low;
};

/// Integer magnitudes beyond it count as it in expectations and predictions.
inline constexpr int32_t kRemembered = 1 << 14;

/// Contexts as they stand before the first level of a chunk: those of a Laplace distribution of the class's mean.
struct LevelContexts {
  std::array<MagnitudeContexts, kMagnitudes> groups;
  std::array<BinContext, 10> sign;  ///< by how sure the guess is
  std::array<BinContext, kMaxPrefix> prefix;

  LevelContexts();
};

/// Classes of column are half octaves: 2^(class / 2) in 1/256, and its inverse in 1/65536.
inline constexpr std::array<uint32_t, kColumnClasses> kClassScale = {
    256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096, 5793, 8192, 11585, 16384, 23170, 32768, 46341};
inline constexpr std::array<uint32_t, kColumnClasses> kClassInverse = {
    65536, 46341, 32768, 23170, 16384, 11585, 8192, 5793, 4096, 2896, 2048, 1448, 1024, 724, 512, 362};

class LevelModel {
 public:
  /// The chunk's own columns count from 0 from here on.
  LevelModel(const MatrixShape& shape, const Chunk& chunk, const LevelStart& start);

  void start_row() { row_ = mean_; }

  /// What the level of `column` is coded with, as visit_level asks for it; `row` holds the levels before it.
  template <bool kKernel, bool kClasses>
  class Here {
   public:
    [[gnu::always_inline]] Here(LevelModel& model, const int32_t* row, int64_t column) : contexts_(model.contexts_) {
      uint64_t expected = model.row_;
      if constexpr (kClasses) expected = (expected * kClassScale[model.classes_[static_cast<size_t>(column)]]) >> 8;
      expected += model.columns_[static_cast<size_t>(column)];
      int32_t guess = 0;
      if constexpr (kKernel) {
        const Position& at = model.positions_[static_cast<size_t>(model.at_)];
        const int32_t* here = row + column;
        const int32_t left = at.has_left ? remembered(here[-1]) : 0;
        const int32_t up = at.has_up ? remembered(here[-model.kernel_width_]) : 0;
        const int32_t corner = at.has_left && at.has_up ? remembered(here[-model.kernel_width_ - 1]) : 0;
        const int32_t before = column >= model.kernel_ ? remembered(here[-model.kernel_]) : 0;
        guess = (left * model.weights_[0] + up * model.weights_[1] + corner * model.weights_[2] +
                 before * model.weights_[3]) *
                (kUnit / kWeightOne);
        expected += static_cast<uint32_t>(std::abs(left) + std::abs(up)) * kUnit;
        expected = (expected * at.share) >> 8;
        expected += static_cast<uint32_t>(std::abs(guess));
      }
      class_ = magnitude_class(expected);
      if constexpr (kKernel) {
        guess_ = guess < 0;
        surety_ = std::clamp(magnitude_class(static_cast<uint32_t>(std::abs(guess)) * 2) - class_ + 7, 0, 9);
        if (guess == 0) surety_ = 0;
      }
    }
    int low_bits() const { return low_bits_of(class_); }
    BinContext& positive() { return contexts_.groups[static_cast<size_t>(class_)].positive; }
    bool has_sign_guess() const { return kKernel && surety_ > 0; }
    bool guess() const { return guess_; }
    BinContext& sign() { return contexts_.sign[static_cast<size_t>(surety_)]; }
    void sign_known(bool right) {
      above_ = std::clamp(class_ + kClassShift[right][static_cast<size_t>(surety_)], 0, kMagnitudes - 1);
    }
    BinContext& above(uint32_t n) { return contexts_.groups[static_cast<size_t>(above_class())].above[n - 1]; }
    BinContext& prefix(int length) { return contexts_.prefix[static_cast<size_t>(length)]; }
    BinContext& low(bool high) { return contexts_.groups[static_cast<size_t>(class_)].low[high]; }

   private:
    int above_class() const { return kKernel && above_ >= 0 ? above_ : class_; }

    LevelContexts& contexts_;
    int class_, above_ = -1;
    int surety_ = 0;
    bool guess_ = false;
  };

  /// The level of this column is known now.
  template <bool kKernel, bool kClasses>
  [[gnu::always_inline]] void note(int64_t column, int32_t level) {
    const auto magnitude = static_cast<uint32_t>(std::abs(remembered(level)));
    uint32_t& mean = columns_[static_cast<size_t>(column)];
    mean = moved(mean, magnitude * kUnit);
    uint32_t row_value = magnitude * kUnit;
    if constexpr (kClasses)
      row_value =
          static_cast<uint32_t>((uint64_t{row_value} * kClassInverse[classes_[static_cast<size_t>(column)]]) >> 16);
    row_ = moved(row_, row_value);
    if constexpr (kKernel)
      if (++at_ == kernel_) at_ = 0;
  }

  bool has_kernel() const { return kernel_ > 1; }
  bool has_classes() const { return !classes_.empty(); }

 private:
  static constexpr int kMeanShift = 4;  // means move by 2^-4 of the way
  static constexpr int kUnit = LevelStart::kUnit;
  static constexpr int kWeightOne = 32;  // of LevelStart::weights

  /// Half octaves that a class moves once the sign is known, by surety and whether the guess was right.
  static constexpr int8_t kClassShift[2][10] = {{0, 0, 0, 0, -1, -1, -1, -2, -3, -4}, {0, 0, 0, 0, 0, 1, 1, 1, 1, 2}};

  struct Position {
    bool has_left, has_up;
    uint16_t share;  ///< 256 * 2 / means and neighbours that are averaged
  };

  static int32_t remembered(int32_t level) { return std::clamp(level, -kRemembered, kRemembered); }
  static uint32_t moved(uint32_t mean, uint32_t value) {
    return mean + static_cast<uint32_t>(static_cast<int32_t>(value - mean) >> kMeanShift);
  }
  /// Of twice a mean in 1/256.
  static int magnitude_class(uint64_t twice) {
    const auto sum = static_cast<uint32_t>(twice) | 32;
    const int top = std::bit_width(sum) - 1;
    return 2 * top + static_cast<int>(sum >> (top - 1) & 1) - (2 * 9 - kMeanOne);
  }
  static int low_bits_of(int magnitude) { return magnitude < kFirstShifted ? 0 : (magnitude - kFirstShifted + 2) / 2; }

  int64_t kernel_width_, kernel_;
  int64_t at_ = 0;  // position in the kernel
  uint32_t mean_, row_;
  std::array<int32_t, 4> weights_;
  std::span<const uint8_t> classes_;
  std::vector<Position> positions_;
  std::vector<uint32_t> columns_;
  LevelContexts contexts_;
};

/// Every level of a chunk in order. `row_of(r)` points to the chunk's first column in its row r. Writers keep what they
/// find there, readers put it there: `put(place, level)`.
template <bool kKernel, bool kClasses, typename Bins, typename RowOf, typename Put>
void visit_rows(Bins& bins, LevelModel& model, const Chunk& chunk, RowOf&& row_of, Put&& put) {
  for (int64_t r = 0; r < chunk.rows; ++r) {
    auto* row = row_of(r);
    model.start_row();
    for (int64_t c = 0; c < chunk.columns; ++c) {
      const int32_t level = visit_level(bins, LevelModel::Here<kKernel, kClasses>(model, row, c), row[c]);
      put(row[c], level);
      model.note<kKernel, kClasses>(c, level);
    }
  }
}

/// `body` with two compile-time flags.
template <typename Body>
decltype(auto) with_flags(bool a, bool b, Body&& body) {
  if (a && b) return body(std::true_type(), std::true_type());
  if (a) return body(std::true_type(), std::false_type());
  if (b) return body(std::false_type(), std::true_type());
  return body(std::false_type(), std::false_type());
}

template <typename Bins, typename RowOf, typename Put>
void visit_chunk(Bins& bins, const MatrixShape& shape, const Chunk& chunk, const LevelStart& start, RowOf&& row_of,
                 Put&& put) {
  LevelModel model(shape, chunk, start);
  with_flags(model.has_kernel(), model.has_classes(), [&](auto kernel, auto classes) {
    visit_rows<kernel.value, classes.value>(bins, model, chunk, row_of, put);
  });
}

}  // namespace tercel::codec

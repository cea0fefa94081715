// Which contexts a level of the `max` profile is coded in.
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

/// Half octaves of expected magnitude that have contexts of their own.
inline constexpr int kMagnitudes = 16;

/// The contexts and what they depend on: the magnitudes seen in this column and just before in this row, and the signs
/// of the neighbours inside the kernel.
class LevelModel {
 public:
  LevelModel(const MatrixShape& shape, const Chunk& chunk)
      : kernel_width_(shape.kernel_width),
        kernel_(shape.kernel_height * shape.kernel_width),
        columns_(static_cast<size_t>(chunk.columns), kUnit),
        signs_(static_cast<size_t>(kernel_), 0) {}

  void start_row() {
    row_ = kUnit;
    at_ = 0;
  }

  /// What the next level is coded with: the interface visit_level asks for.
  class Here {
   public:
    Here(LevelModel& model, int64_t column)
        : group_(model.groups_[static_cast<size_t>(model.magnitude_class(column))]),
          sign_(model.signs_of_[static_cast<size_t>(model.sign_class())]),
          prefix_(model.prefix_) {}
    BinContext& nonzero() { return group_[0]; }
    BinContext& above(uint32_t n) { return group_[n]; }
    BinContext& sign() { return sign_; }
    BinContext& prefix(int length) { return prefix_[static_cast<size_t>(length)]; }

   private:
    std::array<BinContext, kUnary + 1>& group_;
    BinContext& sign_;
    std::array<BinContext, kMaxPrefix>& prefix_;
  };
  Here here(int64_t column) { return {*this, column}; }

  /// The level of this column is known now.
  void note(int64_t column, int32_t level) {
    const uint32_t magnitude =
        std::min<uint32_t>(level < 0 ? 0u - static_cast<uint32_t>(level) : static_cast<uint32_t>(level), kMost);
    const auto value = static_cast<int32_t>(magnitude * kUnit);
    uint16_t& mean = columns_[static_cast<size_t>(column)];
    mean = static_cast<uint16_t>(mean + ((value - mean) >> 3));
    row_ += (value - row_) >> 3;
    signs_[static_cast<size_t>(at_)] = static_cast<uint8_t>(level == 0 ? 0 : level < 0 ? 1 : 2);
    if (++at_ == kernel_) at_ = 0;
  }

 private:
  static constexpr int32_t kUnit = 64;  // means of magnitudes in 1/64
  static constexpr uint32_t kMost = 255;

  int magnitude_class(int64_t column) const {
    const auto sum = static_cast<uint32_t>(row_ + columns_[static_cast<size_t>(column)]) | 1;
    const int top = std::bit_width(sum) - 1;
    const int half = top == 0 ? 0 : static_cast<int>(sum >> (top - 1) & 1);
    return std::clamp(2 * top + half - 8, 0, kMagnitudes - 1);
  }
  int sign_class() const {
    const int left = at_ % kernel_width_ > 0 ? signs_[static_cast<size_t>(at_ - 1)] : 0;
    const int up = at_ >= kernel_width_ ? signs_[static_cast<size_t>(at_ - kernel_width_)] : 0;
    return left + 3 * up;
  }

  int64_t kernel_width_, kernel_;
  int64_t at_ = 0;  // position in the kernel
  int32_t row_ = kUnit;
  std::vector<uint16_t> columns_;
  std::vector<uint8_t> signs_;
  std::array<std::array<BinContext, kUnary + 1>, kMagnitudes> groups_;
  std::array<BinContext, 9> signs_of_;
  std::array<BinContext, kMaxPrefix> prefix_;
};

/// Every level of a chunk in order. `level(row, column)` gives a reference for the chunk's own row and column: writers
/// find the level there, readers put it.
template <typename Bins, typename Level>
void visit_chunk(Bins& bins, const MatrixShape& shape, const Chunk& chunk, Level&& level) {
  LevelModel model(shape, chunk);
  for (int64_t r = 0; r < chunk.rows; ++r) {
    model.start_row();
    for (int64_t c = 0; c < chunk.columns; ++c) {
      auto&& value = level(r, c);
      const int32_t known = visit_level(bins, model.here(c), value);
      value = known;
      model.note(c, known);
    }
  }
}

}  // namespace tercel::codec

// RateModel: the contexts of the `max` profile as a price list.
#include <array>
#include <cmath>

#include "codec/cabac/model.h"
#include "codec/codec.h"

namespace tercel::codec {
namespace {

/// Bits of an event of probability (i + 1/2) / 4096.
const std::array<float, 4096>& costs() {
  static const auto table = [] {
    std::array<float, 4096> bits;
    for (size_t i = 0; i < bits.size(); ++i) bits[i] = -std::log2((static_cast<float>(i) + 0.5f) / 4096);
    return bits;
  }();
  return table;
}

class BinPrices {
 public:
  bool bit(BinContext& context, bool value) {
    const uint32_t one = context.one() >> 4;
    sum_ += costs_[value ? one : 4095 - one];
    return value;
  }
  uint32_t raw(int count, uint32_t value) {
    sum_ += static_cast<float>(count);
    return value;
  }
  float sum() const { return sum_; }

 private:
  const std::array<float, 4096>& costs_ = costs();
  float sum_ = 0;
};

struct BinUpdates {
  bool bit(BinContext& context, bool value) {
    context.update(value);
    return value;
  }
  uint32_t raw(int, uint32_t value) { return value; }
};

}  // namespace

struct RateModel::State {
  explicit State(const MatrixShape& shape)
      : columns(shape.columns), model(shape, Chunk{0, shape.rows, 0, shape.columns}) {
    model.start_row();
  }
  int64_t columns;
  int64_t column = 0;
  LevelModel model;
};

RateModel::RateModel(const MatrixShape& shape) {
  check_shape(shape);
  state_ = std::make_unique<State>(shape);
}
RateModel::RateModel(const RateModel& other) : state_(std::make_unique<State>(*other.state_)) {}
RateModel& RateModel::operator=(const RateModel& other) {
  *state_ = *other.state_;
  return *this;
}
RateModel::RateModel(RateModel&&) noexcept = default;
RateModel& RateModel::operator=(RateModel&&) noexcept = default;
RateModel::~RateModel() = default;

float RateModel::bits(int32_t level) const {
  BinPrices prices;
  visit_level(prices, state_->model.here(state_->column), level);
  return prices.sum();
}

void RateModel::push(int32_t level) {
  State& s = *state_;
  BinUpdates updates;
  visit_level(updates, s.model.here(s.column), level);
  s.model.note(s.column, level);
  if (++s.column == s.columns) {
    s.column = 0;
    s.model.start_row();
  }
}

}  // namespace tercel::codec

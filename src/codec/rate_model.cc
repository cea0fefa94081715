// RateModel: the contexts of the `max` profile as a price list.
#include <array>
#include <cmath>

#include "base/error.h"
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

/// Rows hold whole kernels.
RowState row_state(const RateModel::Path& path, const Neighbourhood& neighbourhood) {
  return {path.mean, path.column % neighbourhood.kernel()};
}

struct BinUpdates {
  bool bit(BinContext& context, bool value) {
    context.update(value);
    return value;
  }
  uint32_t raw(int, uint32_t value) { return value; }
};

}  // namespace

struct RateModel::State {
  State(const MatrixShape& shape, const ContextInit& init)
      : classes(std::make_shared<const std::vector<uint8_t>>(shape.column_class.begin(), shape.column_class.end())),
        row(static_cast<size_t>(shape.columns)),
        neighbourhood({shape.rows, shape.columns, shape.kernel_height, shape.kernel_width, *classes},
                      {0, shape.rows, 0, shape.columns}, init),
        has_trellis(shape.trellis) {
    neighbourhood.start_row();
    predict();
  }

  /// Prediction of the level at `column`, for the prices of all levels that are asked for there.
  void predict() {
    with_flags(neighbourhood.has_kernel(), neighbourhood.has_classes(), [&](auto kernel, auto class_) {
      expected = neighbourhood.expect<kernel.value, class_.value>(row.data(), column);
    });
    if (has_trellis) expected.quantizer = trellis.quantizer();
  }
  void update(int32_t level) {
    with_flags(neighbourhood.has_kernel(), neighbourhood.has_classes(),
               [&](auto kernel, auto class_) { neighbourhood.update<kernel.value, class_.value>(column, level); });
  }

  std::shared_ptr<const std::vector<uint8_t>> classes;  ///< copies share them: the neighbourhood looks into them
  std::vector<int32_t> row;
  int64_t column = 0;
  Neighbourhood neighbourhood;
  bool has_trellis;
  TrellisState trellis;
  LevelContexts<kHasTrellis ? 2 : 1> contexts;
  Expected expected;
};

RateModel::RateModel(const MatrixShape& shape, const ContextInit& init) {
  if (check_shape(shape) == 0) fail_input("no levels to price in a {}x{} matrix", shape.rows, shape.columns);
  if (init.mean < 1 || init.mean > ContextInit::kMostMean) fail_input("a mean magnitude of {}", init.mean);
  state_ = std::make_unique<State>(shape, init);
}
RateModel::RateModel(const RateModel& other) : state_(std::make_unique<State>(*other.state_)) {}
RateModel& RateModel::operator=(const RateModel& other) {
  *state_ = *other.state_;
  return *this;
}
RateModel::RateModel(RateModel&&) noexcept = default;
RateModel& RateModel::operator=(RateModel&&) noexcept = default;
RateModel::~RateModel() = default;

float RateModel::bits(int32_t level) const { return bits(state_->expected, level); }

float RateModel::bits(const Expected& expected, int32_t level) const {
  BinPrices prices;
  visit_level(prices, LevelContextSelector(state_->contexts, expected), level);
  return prices.sum();
}

RateModel::Path RateModel::path() const { return {state_->column, state_->neighbourhood.row_state().mean}; }

Expected RateModel::expect(const Path& path, const int32_t* row) const {
  const Neighbourhood& neighbourhood = state_->neighbourhood;
  return with_flags(neighbourhood.has_kernel(), neighbourhood.has_classes(), [&](auto kernel, auto class_) {
    return neighbourhood.expect<kernel.value, class_.value>(row_state(path, neighbourhood), row, path.column);
  });
}

void RateModel::advance(Path& path, int32_t level) const {
  const Neighbourhood& neighbourhood = state_->neighbourhood;
  RowState row = row_state(path, neighbourhood);
  with_flags(neighbourhood.has_kernel(), neighbourhood.has_classes(), [&](auto kernel, auto class_) {
    neighbourhood.advance<kernel.value, class_.value>(row, path.column, level);
  });
  path = {path.column + 1, row.mean};
}

void RateModel::push(int32_t level) {
  State& s = *state_;
  BinUpdates updates;
  visit_level(updates, LevelContextSelector(s.contexts, s.expected), level);
  s.update(level);
  s.trellis.advance(level);
  s.row[static_cast<size_t>(s.column)] = level;
  if (++s.column == static_cast<int64_t>(s.row.size())) {
    s.column = 0;
    s.neighbourhood.start_row();
    s.trellis = {};
  }
  s.predict();
}

}  // namespace tercel::codec

#include <array>
#include <limits>
#include <utility>

#include "quant/decide.h"

namespace tercel::inline quant {
namespace {

using codec::TrellisState;

constexpr int kStates = TrellisState::kStates;
/// Columns after which paths have long met in one: what lies further back is settled. (Twice as many change nothing.)
constexpr int64_t kWindow = 64;

/// The best path to one state.
struct Survivor {
  double cost = std::numeric_limits<double>::infinity();  ///< of the whole row so far; infinite: there is none
  Price price;
  codec::RateModel::Path path;

  bool alive() const { return cost < std::numeric_limits<double>::infinity(); }
};

/// A survivor of the column before with one more level.
struct Step {
  double cost = std::numeric_limits<double>::infinity();
  Price price;
  int from = 0;
  int32_t level = 0;
};

class RowPaths {
 public:
  RowPaths(const RowTask& task, codec::RateModel& rate) : task_(task), rate_(rate) {
    for (auto* histories : {&now_, &next_})
      for (History& h : *histories) {
        h.error.resize(static_cast<size_t>(task.matrix.columns));
        h.levels.resize(static_cast<size_t>(task.matrix.columns));
      }
  }

  /// Row r, into `levels`.
  Price decide(int64_t r, int32_t* levels) {
    survivors_ = {};
    survivors_[0].cost = 0;
    survivors_[0].path = rate_.path();
    settled_ = 0;
    const float row_step = task_.row_step(r);
    for (const CurvatureBlock& block : task_.blocks(r))
      for (int64_t j = 0; j < block.columns; ++j) {
        const int64_t c = block.first + j;
        const float w = task_.weights[static_cast<size_t>(r * task_.matrix.columns + c)];
        advance(block, j, w, row_step * task_.column_scale[static_cast<size_t>(c)]);
        if (c + 1 - settled_ == 2 * kWindow) settle(settled_ + kWindow);
      }
    settle(task_.matrix.columns);
    const auto last = best();
    std::copy_n(now_[last].levels.begin(), task_.matrix.columns, levels);
    return survivors_[last].price;
  }

 private:
  /// What a path has decided. Paths share columns before settled_.
  struct History {
    std::vector<float> error;
    std::vector<int32_t> levels;
  };
  using Histories = std::array<History, kStates>;
  using Steps = std::array<Step, kStates>;

  size_t best() const {
    const auto least = std::min_element(survivors_.begin(), survivors_.end(),
                                        [](const Survivor& a, const Survivor& b) { return a.cost < b.cost; });
    return static_cast<size_t>(least - survivors_.begin());
  }

  /// All survivors go on through column j of the block.
  void advance(const CurvatureBlock& block, int64_t j, float w, float step) {
    const int64_t settled = std::clamp<int64_t>(settled_ - block.first, 0, j);
    const float* feedback = block.feedback.empty() ? nullptr : &block.feedback[static_cast<size_t>(j * block.columns)];
    const float common = feedback == nullptr ? 0 : dot(feedback, now_[0].error.data() + block.first, settled);
    const double weight = static_cast<double>(block.weight[static_cast<size_t>(j)]) * static_cast<double>(step) *
                          static_cast<double>(step);
    Steps steps;
    for (int s = 0; s < kStates; ++s) {
      const auto i = static_cast<size_t>(s);
      if (!survivors_[i].alive()) continue;
      const float* error = now_[i].error.data() + block.first;
      const float own = feedback == nullptr ? 0 : dot(feedback + settled, error + settled, j - settled);
      branch(s, (w + common + own) / step, weight, steps);
    }
    append(steps, block.first + j, w, step);
  }

  /// The steps from state s for what lies at x, in steps: two or more of either parity, on the way to zero.
  void branch(int s, float x, double weight, Steps& steps) const {
    const Survivor& from = survivors_[static_cast<size_t>(s)];
    const TrellisState state{static_cast<uint8_t>(s)};
    const int quantizer = state.quantizer();
    codec::Expected expected = rate_.expect(from.path, now_[static_cast<size_t>(s)].levels.data());
    expected.quantizer = quantizer;
    const float magnitude = std::min(std::abs(x), 1e9f);
    const auto below = static_cast<int32_t>(magnitude + 0.5f * static_cast<float>(quantizer));
    for (int32_t k = std::max(below - 2, 0); k <= below + 1; ++k) {
      const int32_t level = x < 0 ? -k : k;
      const double off = static_cast<double>(magnitude) - static_cast<double>(codec::dequantize_level(k, quantizer));
      const double distortion = weight * off * off, bits = static_cast<double>(rate_.bits(expected, level));
      const double cost = from.cost + distortion + task_.bit * bits;
      TrellisState to = state;
      to.advance(level);
      Step& step = steps[to.state];
      if (cost < step.cost) step = {cost, {from.price.distortion + distortion, from.price.bits + bits}, s, level};
    }
  }

  /// The best step to each state becomes its survivor.
  void append(const Steps& steps, int64_t column, float w, float step) {
    std::array<Survivor, kStates> survivors;
    for (size_t i = 0; i < steps.size(); ++i) {
      const auto& [cost, price, from, level] = steps[i];
      const auto& [cost_before, price_before, path] = survivors_[static_cast<size_t>(from)];
      survivors[i] = {cost, price, path};
      if (!survivors[i].alive()) continue;
      rate_.advance(survivors[i].path, level);
      History& to = next_[i];
      copy(now_[static_cast<size_t>(from)], settled_, column, to);
      const auto c = static_cast<size_t>(column);
      to.error[c] = w - codec::dequantize_level(level, from & 1) * step;
      to.levels[c] = level;
    }
    survivors_ = survivors;
    std::swap(now_, next_);
  }

  static void copy(const History& from, int64_t begin, int64_t end, History& to) {
    std::copy(from.error.begin() + begin, from.error.begin() + end, to.error.begin() + begin);
    std::copy(from.levels.begin() + begin, from.levels.begin() + end, to.levels.begin() + begin);
  }

  /// Columns before `end` are as the best path has them, the model learns them, and paths that differ there end.
  void settle(int64_t end) {
    const History& kept = now_[best()];
    const auto first = kept.levels.begin() + settled_, last = kept.levels.begin() + end;
    for (size_t i = 0; i < survivors_.size(); ++i)
      if (!std::equal(first, last, now_[i].levels.begin() + settled_)) survivors_[i] = {};
    for (auto level = first; level != last; ++level) rate_.push(*level);
    for (auto* histories : {&now_, &next_})
      for (History& h : *histories)
        if (&h != &kept) copy(kept, settled_, end, h);
    settled_ = end;
  }

  const RowTask& task_;
  codec::RateModel& rate_;
  std::array<Survivor, kStates> survivors_;
  Histories now_, next_;
  int64_t settled_ = 0;  // columns before it are the same in all paths
};

}  // namespace

Price decide_rows_by_trellis(const RowTask& task, int64_t first, int64_t last, codec::RateModel& rate,
                             int32_t* levels) {
  RowPaths paths(task, rate);
  Price sum;
  for (int64_t r = first; r < last; ++r) {
    const Price price = paths.decide(r, levels + r * task.matrix.columns);
    sum.distortion += price.distortion;
    sum.bits += price.bits;
  }
  return sum;
}

}  // namespace tercel::inline quant

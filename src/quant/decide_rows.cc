#include <limits>

#include "quant/decide.h"

namespace tercel::inline quant {
namespace {

struct Choice {
  int32_t level;
  double error, bits;
};

Choice best(float x, double weight, double bit, const codec::RateModel& rate) {
  const int32_t near = nearest_level(x);
  const int32_t toward_zero = near > 0 ? -1 : 1;
  Choice choice{};
  double least = std::numeric_limits<double>::infinity();
  // Further from zero costs bits and error; two steps nearer pays only on the way to zero.
  for (int32_t k = 0; k <= 2; ++k) {
    const int32_t level = near + k * toward_zero;
    const double off = static_cast<double>(x) - level;
    const double error = weight * off * off, bits = static_cast<double>(rate.bits(level));
    if (error + bit * bits < least) {
      least = error + bit * bits;
      choice = {level, error, bits};
    }
    if (level == 0) break;
  }
  return choice;
}

}  // namespace

Price decide_rows(const RowTask& task, int64_t first, int64_t last, codec::RateModel& rate, int32_t* levels) {
  const int64_t columns = task.matrix.columns;
  std::vector<float> error(static_cast<size_t>(columns));
  Price price;
  for (int64_t r = first; r < last; ++r) {
    const float row_step = task.row_step(r);
    for (const CurvatureBlock& block : task.blocks(r)) {
      float* e = error.data();
      for (int64_t j = 0; j < block.columns; ++j) {
        const int64_t c = block.first + j;
        const float w = task.weights[static_cast<size_t>(r * columns + c)];
        const float step = row_step * task.column_scale[static_cast<size_t>(c)];
        const float x = (w + block.compensation(j, e)) / step;
        const double weight = static_cast<double>(block.weight[static_cast<size_t>(j)]) * static_cast<double>(step) *
                              static_cast<double>(step);
        const auto [level, cost, bits] = best(x, weight, task.bit, rate);
        rate.push(level);
        levels[r * columns + c] = level;
        e[j] = w - static_cast<float>(level) * step;
        price.distortion += cost;
        price.bits += bits;
      }
    }
  }
  return price;
}

}  // namespace tercel::inline quant

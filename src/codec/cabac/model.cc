#include "codec/cabac/model.h"

namespace tercel::codec {
namespace {

/// Probabilities, in 1/65536, of "high above 0", "high above n" for n > 0, and the highest low bit where high is 0 and
/// where it is above, for levels that are rounded from a Laplace distribution: with the scale s that gives the class's
/// mean, P(|q| >= m) = exp(-(m - 1/2) / s).
struct LaplaceStart {
  uint16_t positive, above, low_zero, low_high;
};
constexpr LaplaceStart kLaplace[] = {
    {4844, 358, 32768, 32768},    {6814, 709, 32768, 32768},    {9536, 1387, 32768, 32768},
    {13217, 2666, 32768, 32768},  {18012, 4951, 32768, 32768},  {23892, 8710, 32768, 32768},
    {30518, 14211, 32768, 32768}, {37278, 21205, 32768, 32768}, {43539, 28925, 32768, 32768},
    {48887, 36468, 32768, 32768}, {53191, 43172, 32768, 32768}, {56514, 48734, 32768, 32768},
    {59008, 53131, 32768, 32768}, {52448, 48695, 42050, 30339}, {55981, 53116, 42534, 31048},
};

}  // namespace

LevelContexts::LevelContexts() {
  for (int k = 0; k < kMagnitudes; ++k) {
    // Past kFirstShifted the high part looks the same every second class.
    const LaplaceStart& start = kLaplace[k < kFirstShifted ? k : kFirstShifted + (k - kFirstShifted) % 2];
    MagnitudeContexts& group = groups[static_cast<size_t>(k)];
    group.positive = BinContext(start.positive);
    group.above.fill(BinContext(start.above));
    group.low = {BinContext(start.low_zero), BinContext(start.low_high)};
  }
  // The surer the guess, the rarer it is wrong.
  constexpr uint32_t kWrong[] = {32768, 31000, 29000, 26000, 22000, 18000, 13000, 8000, 5000, 3000};
  for (size_t i = 0; i < sign.size(); ++i) sign[i] = BinContext(kWrong[i]);
}

LevelModel::LevelModel(const MatrixShape& shape, const Chunk& chunk, const LevelStart& start)
    : kernel_width_(shape.kernel_width), kernel_(shape.kernel_height * shape.kernel_width), row_(0) {
  mean_ = start.mean;
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i] = start.weights[i];
  columns_.assign(static_cast<size_t>(chunk.columns), mean_);
  if (!shape.column_class.empty()) {
    classes_ = shape.column_class.subspan(static_cast<size_t>(chunk.column), static_cast<size_t>(chunk.columns));
    for (size_t c = 0; c < classes_.size(); ++c)
      columns_[c] = std::min(static_cast<uint32_t>((uint64_t{mean_} * kClassScale[classes_[c]]) >> 8),
                             static_cast<uint32_t>(kRemembered) * kUnit);
  }
  if (!has_kernel()) return;
  // Two running means and the neighbours there are: about 2 / their number, less what makes the mean of several a
  // better guess.
  constexpr uint16_t kShare[] = {256, 160, 120};
  for (int64_t i = 0; i < kernel_; ++i) {
    const bool left = i % kernel_width_ > 0, up = i >= kernel_width_;
    positions_.push_back({left, up, kShare[left + up]});
  }
}

}  // namespace tercel::codec

#include "codec/cabac/model.h"

#include "codec/expect/laplace.h"

namespace tercel::codec {

template <size_t kQuantizers>
LevelContexts<kQuantizers>::LevelContexts() {
  for (int k = 0; k < kMagnitudes; ++k) {
    const LaplaceStart& start = laplace_start(k);
    MagnitudeContexts& group = groups[0][static_cast<size_t>(k)];
    group.positive = BinContext(start.positive);
    group.above.fill(BinContext(start.above));
    group.low = {BinContext(start.low_zero), BinContext(start.low_high)};
  }
  std::fill(groups.begin() + 1, groups.end(), groups[0]);
  for (size_t i = 0; i < sign.size(); ++i) sign[i] = BinContext(kGuessWrong[i]);
}

template struct LevelContexts<1>;
template struct LevelContexts<2>;

}  // namespace tercel::codec

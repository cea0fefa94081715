#include "codec/cabac/model.h"

#include "codec/expect/laplace.h"

namespace tercel::codec {

LevelContexts::LevelContexts() {
  for (int k = 0; k < kMagnitudes; ++k) {
    const LaplaceStart& start = laplace_start(k);
    MagnitudeContexts& group = groups[static_cast<size_t>(k)];
    group.positive = BinContext(start.positive);
    group.above.fill(BinContext(start.above));
    group.low = {BinContext(start.low_zero), BinContext(start.low_high)};
  }
  for (size_t i = 0; i < sign.size(); ++i) sign[i] = BinContext(kGuessWrong[i]);
}

}  // namespace tercel::codec

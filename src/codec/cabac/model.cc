#include "codec/cabac/model.h"

#include "codec/expect/laplace.h"

namespace tercel::codec {

template <size_t kQuantizers>
LevelContexts<kQuantizers>::LevelContexts() {
  for (int k = 0; k < kMagnitudes; ++k) {
    const LaplaceInit& init = laplace_init(k);
    MagnitudeContexts& group = groups[0][static_cast<size_t>(k)];
    group.gt0_flag = BinContext(init.gt0);
    group.gtN_flag.fill(BinContext(init.gtN));
    group.low = {BinContext(init.low_zero), BinContext(init.low_high)};
  }
  std::fill(groups.begin() + 1, groups.end(), groups[0]);
  for (size_t i = 0; i < sign_flag.size(); ++i) sign_flag[i] = BinContext(kMispredicted[i]);
}

template struct LevelContexts<1>;
template struct LevelContexts<2>;

}  // namespace tercel::codec

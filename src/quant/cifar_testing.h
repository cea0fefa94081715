// A trained network for tests, and inputs of its size.
#pragma once

#include <vector>

#include "base/rng.h"
#include "tercel/array.h"
#include "tercel/model.h"

namespace tercel::inline quant {

inline Model cifar_network() { return optimize(load(TERCEL_SOURCE_DIR "/models/resnet20_cifar10.tercel")); }

/// Inputs that look like nothing, where pictures' statistics do not matter to what is tested.
inline std::vector<Array> cifar_noise(int count, uint64_t seed) {
  Rng rng(seed);
  std::vector<Array> inputs;
  for (int i = 0; i < count; ++i) {
    inputs.emplace_back(DType::f32, std::vector<int64_t>{1, 3, 32, 32});
    for (float& x : inputs.back().floats()) x = static_cast<float>(rng.normal());
  }
  return inputs;
}

}  // namespace tercel::inline quant

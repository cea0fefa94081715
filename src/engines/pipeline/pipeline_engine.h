#pragma once

#include "engines/engine.h"

namespace tercel::inline engines {

/// Quantized convolutional networks as a pipeline of OpenCL kernels, after FFCNN (Keddous, Nguyen and Nakib 2022,
/// arXiv 2208.13250) and PipeCNN (Wang, Xu and Jiang, FPT 2017).
const Engine& pipeline_engine();

}  // namespace tercel::inline engines

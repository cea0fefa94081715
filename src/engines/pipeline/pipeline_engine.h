#pragma once

#include "engines/engine.h"

namespace tercel::inline engines {

/// Quantized convolutional networks as a pipeline of OpenCL kernels, after FFCNN (Keddous, Nguyen and Nakib 2022,
/// arXiv 2208.13250) and PipeCNN (Wang, Xu and Jiang, FPT 2017).
const Engine& pipeline_engine();

/// The same, built as `options` say: fields of a DesignPoint (tercel/fpga.h), and
///   executor=opencl     the default
///   executor=channels   OpenCL with Intel's channels, all stages at once
///   executor=simulated  a thread per stage, channels of bounded depth (simulation.h)
///   platform=NAME       of OpenCL: the first whose name has NAME in it
/// "vec=8,lane=16,executor=simulated". Throws Error naming what is wrong. Never goes away.
const Engine& pipeline_engine(std::string_view options);

}  // namespace tercel::inline engines

// What runs the layers of a network.
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "engines/pipeline/network.h"
#include "tercel/progress.h"

namespace tercel::inline engines {

class Executor {
 public:
  virtual ~Executor() = default;

  /// What it runs on, for people.
  virtual std::string what() const = 0;

  /// Memory of the feature maps, as signed levels. Valid for one run at a time.
  virtual void write(int64_t first_word, std::span<const int8_t> levels) = 0;
  virtual void read(int64_t first_word, std::span<int8_t> levels) = 0;

  /// All layers in order. `ms` gets the time of each, where wanted.
  virtual void run(std::vector<double>* ms, std::stop_token stop) = 0;
};

struct OpenclOptions {
  std::string
      platform;       ///< part of the name of one; empty: the first that runs kernels on a processor or an accelerator
  int threads = 0;    ///< processors to use, where the device can be divided; 0: all of them
  Progress progress;  ///< of compiling the kernels
};

/// OpenCL: tiles, with rings in memory. The network must live as long. Throws Error(unsupported) where there is no such
/// platform.
std::unique_ptr<Executor> make_opencl_executor(const PipelineNetwork& network, const OpenclOptions& options);

/// OpenCL with Intel's channels: all stages run at once, as on an FPGA. The network is one of whole layers.
std::unique_ptr<Executor> make_channels_executor(const PipelineNetwork& network, const OpenclOptions& options);

}  // namespace tercel::inline engines

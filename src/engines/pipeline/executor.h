// What runs the layers of a network.
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "engines/pipeline/network.h"

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

/// OpenCL: tiles, with rings in memory. On the first platform that runs kernels on a processor or an accelerator, or on
/// the one whose name has `platform` in it. The network must live as long. Throws Error(unsupported) where there is
/// none.
std::unique_ptr<Executor> make_opencl_executor(const PipelineNetwork& network, std::string_view platform);

/// OpenCL with Intel's channels: all stages run at once, as on an FPGA. The network is one of whole layers.
std::unique_ptr<Executor> make_channels_executor(const PipelineNetwork& network, std::string_view platform);

}  // namespace tercel::inline engines

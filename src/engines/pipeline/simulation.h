// The kernels compiled as C++: a thread per stage, channels of bounded depth, clocks counted.
#pragma once

#include <array>
#include <functional>

#include "engines/pipeline/executor.h"

namespace tercel::inline engines {

/// What a stage did in a layer.
struct StageCycles {
  int64_t end = 0;  ///< the clock of its last word
  int64_t waited_for_words = 0, waited_for_room = 0;
};

/// What the clocks of a layer went into. Memory answers at once, one word a clock at each port.
struct LayerCycles {
  int64_t cycles = 0;
  std::array<StageCycles, 5> stages;  ///< kStageNames
  int64_t data_words = 0, sum_words = 0, level_words = 0, pooled_words = 0;
};
inline constexpr std::array<const char*, 5> kStageNames = {"mem_read", "conv", "requantize", "pool", "mem_write"};

/// The network must be made with TileLimits::whole_layers, and live as long. Throws Error for a design that was not
/// compiled (it lists those there are), and, while running, for channels in which words cannot move (naming who waits
/// for what).
class SimulatedPipeline final : public Executor {
 public:
  explicit SimulatedPipeline(const PipelineNetwork& network);

  std::string what() const override { return "simulated stages, a thread each"; }
  void write(int64_t first_word, std::span<const int8_t> levels) override;
  void read(int64_t first_word, std::span<int8_t> levels) override;
  void run(std::vector<double>* ms, std::stop_token stop) override;

  /// Called before each layer with the part of the work that is done.
  void on_layer(std::function<void(double)> tell) { tell_ = std::move(tell); }

  /// Of the last run, one per layer; normalizations have no clocks.
  const std::vector<LayerCycles>& cycles() const { return cycles_; }

 private:
  const PipelineNetwork& network_;
  std::function<void(double)> tell_;
  WordVector<int8_t> features_;
  std::vector<LayerCycles> cycles_;
};

}  // namespace tercel::inline engines

#include "engines/pipeline/simulation.h"

#include <cstring>
#include <functional>
#include <thread>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "engines/pipeline/simulated_channel.h"

// The kernels are OpenCL C; what of it is not C++ means nothing here.
#define TERCEL_CHANNELS_THREADS
#define __global  // NOLINT(bugprone-reserved-identifier)
#define restrict __restrict__
#define WINDOW_X 16
#define WINDOW_WORDS (1 << 14)
#define WEIGHT_WORDS 2048
#define POOL_LINES 16
#define POOL_COLUMNS 512

namespace tercel::inline engines {
namespace {

using Stage = std::function<void(StageClock&)>;

/// Each stage on a thread of its own, to the end.
LayerCycles run_stages(StageMonitor& monitor, const std::array<Stage, 5>& stages) {
  LayerCycles result;
  std::array<StageClock, 5> clocks;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < stages.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        stages[i](clocks[i]);
      } catch (const StageMonitor::Deadlock&) {
        return;
      }
      monitor.leave();
    });
  for (std::thread& thread : threads) thread.join();
  if (monitor.dead()) {
    std::string all;
    for (const std::string& one : monitor.waiting()) all += (all.empty() ? "" : "; ") + one;
    fail(ErrorCode::limit, "the pipeline stands still; its stages wait {}", all);
  }
  for (size_t i = 0; i < stages.size(); ++i) {
    result.stages[i] = {clocks[i].now, clocks[i].waited_for_words, clocks[i].waited_for_room};
    result.cycles = std::max(result.cycles, clocks[i].now);
  }
  return result;
}

}  // namespace

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"

#define VEC 4
#define LANE 4
#define DESIGN v4_l4
#include "engines/pipeline/simulated_stages.inc"
#undef VEC
#undef LANE
#undef DESIGN

#define VEC 4
#define LANE 8
#define DESIGN v4_l8
#include "engines/pipeline/simulated_stages.inc"
#undef VEC
#undef LANE
#undef DESIGN

#define VEC 8
#define LANE 8
#define DESIGN v8_l8
#include "engines/pipeline/simulated_stages.inc"
#undef VEC
#undef LANE
#undef DESIGN

#define VEC 8
#define LANE 16
#define DESIGN v8_l16
#include "engines/pipeline/simulated_stages.inc"
#undef VEC
#undef LANE
#undef DESIGN

#define VEC 16
#define LANE 8
#define DESIGN v16_l8
#include "engines/pipeline/simulated_stages.inc"
#undef VEC
#undef LANE
#undef DESIGN

#define VEC 16
#define LANE 16
#define DESIGN v16_l16
#include "engines/pipeline/simulated_stages.inc"
#undef VEC
#undef LANE
#undef DESIGN

#define VEC 16
#define LANE 32
#define DESIGN v16_l32
#include "engines/pipeline/simulated_stages.inc"
#undef VEC
#undef LANE
#undef DESIGN

#define VEC 16
#define LANE 64
#define DESIGN v16_l64
#include "engines/pipeline/simulated_stages.inc"
#undef VEC
#undef LANE
#undef DESIGN

#define VEC 32
#define LANE 32
#define DESIGN v32_l32
#include "engines/pipeline/simulated_stages.inc"
#undef VEC
#undef LANE
#undef DESIGN

#pragma GCC diagnostic pop

namespace {

struct Simulated {
  int vec, lane;
  LayerCycles (*run_layer)(const PipelineNetwork&, const Layer&, int8_t*);
  void (*run_norm)(const PipelineNetwork&, const Norm&, int8_t*);
};

constexpr Simulated kSimulated[] = {
    {4, 4, v4_l4::run_layer, v4_l4::run_norm},       {4, 8, v4_l8::run_layer, v4_l8::run_norm},
    {8, 8, v8_l8::run_layer, v8_l8::run_norm},       {8, 16, v8_l16::run_layer, v8_l16::run_norm},
    {16, 8, v16_l8::run_layer, v16_l8::run_norm},    {16, 16, v16_l16::run_layer, v16_l16::run_norm},
    {16, 32, v16_l32::run_layer, v16_l32::run_norm}, {16, 64, v16_l64::run_layer, v16_l64::run_norm},
    {32, 32, v32_l32::run_layer, v32_l32::run_norm},
};

const Simulated& simulated(const DesignPoint& design) {
  std::string known;
  for (const Simulated& one : kSimulated) {
    if (one.vec == design.vec && one.lane == design.lane) return one;
    known += fmt::format("{}{} x {}", known.empty() ? "" : ", ", one.vec, one.lane);
  }
  fail_unsupported("the simulation has no design of vec {} and lane {}; it has {}", design.vec, design.lane, known);
}

}  // namespace

SimulatedPipeline::SimulatedPipeline(const PipelineNetwork& network)
    : network_(network), features_(static_cast<size_t>(network.feature_words * network.design.vec)) {
  simulated(network.design);
  if (network.design.window_x > WINDOW_X || network.weight_words > WEIGHT_WORDS || network.pool_lines > POOL_LINES ||
      network.pool_columns > POOL_COLUMNS)
    fail(ErrorCode::limit,
         "the simulation has windows of {} pixels, {} weight words, {} pool lines of {} pixels; this network needs {}, "
         "{}, {} and {}",
         WINDOW_X, WEIGHT_WORDS, POOL_LINES, POOL_COLUMNS, network.design.window_x, network.weight_words,
         network.pool_lines, network.pool_columns);
}

void SimulatedPipeline::write(int64_t first_word, std::span<const int8_t> levels) {
  std::memcpy(features_.data() + first_word * network_.design.vec, levels.data(), levels.size());
}

void SimulatedPipeline::read(int64_t first_word, std::span<int8_t> levels) {
  std::memcpy(levels.data(), features_.data() + first_word * network_.design.vec, levels.size());
}

void SimulatedPipeline::run(std::vector<double>* ms, std::stop_token stop) {
  const Simulated& stages = simulated(network_.design);
  cycles_.assign(network_.layers.size(), {});
  if (ms != nullptr) ms->assign(network_.layers.size(), 0);
  // By what the multipliers have to do.
  double all = 0, done = 0;
  for (const PipelineLayer& layer : network_.layers) all += static_cast<double>(layer.macs);
  for (size_t i = 0; i < network_.layers.size(); ++i) {
    if (tell_) tell_(all > 0 ? done / all : 0);
    done += static_cast<double>(network_.layers[i].macs);
    if (stop.stop_requested()) fail(ErrorCode::stopped, "stopped before layer {} of {}", i + 1, network_.layers.size());
    const Stopwatch clock;
    const PipelineLayer& layer = network_.layers[i];
    if (layer.normalizes) stages.run_norm(network_, layer.norm, features_.data());
    else
      at_place([&] { return fmt::format("layer '{}'", layer.node); },
               [&] { cycles_[i] = stages.run_layer(network_, layer.layer, features_.data()); });
    if (ms != nullptr) (*ms)[i] = clock.ms();
  }
}

}  // namespace tercel::inline engines

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/rng.h"
#include "base/threads.h"
#include "engines/cpu/cpu_engine.h"
#include "engines/pipeline/emit.h"
#include "engines/pipeline/pipeline_engine.h"
#include "engines/pipeline/pipeline_program.h"
#include "engines/pipeline/simulation.h"
#include "fpga/cycle_model.h"
#include "fpga/design_point.h"
#include "session/model_impl.h"
#include "session/optimizer.h"
#include "tercel/fpga.h"

namespace tercel {
namespace {

/// Clocks of the stages alone: memory answers at once, and each of the four channels takes one clock.
int64_t modelled(const PipelineLayer& layer, const DesignPoint& point) {
  constexpr int64_t kChannels = 4;
  const LayerEstimate e = estimate_layer(shape_of(layer), point, find_board(point.board), Kernels::tercel);
  return std::max({e.compute_cycles, e.window_load_cycles, e.pool_cycles, e.write_cycles}) + e.fill_cycles -
         kStageDepthCycles + kChannels;
}

std::vector<std::vector<std::byte>> random_inputs(const Program& program, uint64_t seed) {
  Rng rng(seed);
  std::vector<std::vector<std::byte>> inputs;
  for (const ProgramPort& port : program.inputs()) {
    std::vector<std::byte>& bytes = inputs.emplace_back(port.bytes());
    if (port.dtype == DType::f32)
      for (size_t i = 0; i < bytes.size(); i += sizeof(float)) {
        const auto value = static_cast<float>(rng.normal());
        std::memcpy(&bytes[i], &value, sizeof(float));
      }
    else
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.below(256));
  }
  return inputs;
}

std::vector<std::vector<std::byte>> run(const Program& program, const std::vector<std::vector<std::byte>>& inputs,
                                        std::stop_token stop) {
  std::vector<const std::byte*> from;
  for (const auto& input : inputs) from.push_back(input.data());
  std::vector<std::vector<std::byte>> outputs;
  std::vector<std::byte*> to;
  for (const ProgramPort& port : program.outputs()) to.push_back(outputs.emplace_back(port.bytes()).data());
  program.run({from, to, nullptr, std::move(stop)});
  return outputs;
}

/// In the engine's form.
Graph lowered(const Model& model, const DesignPoint& point, const InputShapes& shapes) {
  check(point);
  find_board(point.board);
  const Model lean = optimize(model.with_shapes(model.full_shapes(shapes)));
  Graph graph = lean.impl().graph.clone();
  rewrite(graph, pipeline_engine().recipe(true));
  return graph;
}

}  // namespace

void emit_design(const Model& model, const DesignPoint& point, const std::filesystem::path& folder,
                 const InputShapes& shapes) {
  const Graph graph = lowered(model, point, shapes);
  at_place([&] { return model.name(); },
           [&] { emit_network(make_pipeline_network(graph, point, {}), model.name(), folder); });
}

std::vector<SimulatedLayer> simulate_design(const Model& model, const DesignPoint& point, const InputShapes& shapes,
                                            uint64_t seed, const Progress& progress) {
  const Graph graph = lowered(model, point, shapes);
  return at_place(
      [&] { return model.name(); },
      [&] {
        SimulatedPipeline* simulated = nullptr;
        const PipelineProgram program(make_pipeline_network(graph, point, {.whole_layers = true}),
                                      [&](const PipelineNetwork& network) {
                                        auto made = std::make_unique<SimulatedPipeline>(network);
                                        simulated = made.get();
                                        return made;
                                      });
        std::stop_source stop;
        simulated->on_layer([&](double done) {
          if (progress && !progress("simulate the stages", done)) stop.request_stop();
        });
        const auto inputs = random_inputs(program, seed);
        const auto answers = run(program, inputs, stop.get_token());
        const auto wanted =
            run(*cpu_engine().compile(graph, {.isa = chosen_isa(), .threads = hardware_threads()}), inputs, {});
        TERCEL_CHECK(answers == wanted, "the simulated stages and the processor's kernels give different answers");
        std::vector<SimulatedLayer> layers;
        for (size_t i = 0; i < simulated->cycles().size(); ++i) {
          const PipelineLayer& layer = program.network().layers[i];
          if (layer.normalizes) continue;
          const LayerCycles& c = simulated->cycles()[i];
          SimulatedLayer& row = layers.emplace_back();
          row = {layer.node,   layer.op,    c.cycles,      modelled(layer, point), {},
                 c.data_words, c.sum_words, c.level_words, c.pooled_words};
          for (size_t stage = 0; stage < c.stages.size(); ++stage)
            row.stages.push_back({kStageNames[stage], c.stages[stage].end, c.stages[stage].waited_for_words,
                                  c.stages[stage].waited_for_room});
        }
        return layers;
      });
}

}  // namespace tercel

// tercel fpga simulate, emit.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "common.h"
#include "progress.h"
#include "tercel/fpga.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct Flags {
  std::string model, point;
  ShapeFlags shape;
  uint64_t seed = 1;
  bool json = false;
};

Json to_json(const std::vector<SimulatedLayer>& layers, const DesignPoint& point) {
  Json rows = Json::array();
  for (const SimulatedLayer& layer : layers) {
    Json stages = Json::array();
    for (const StageClocks& s : layer.stages)
      stages.push_back({{"stage", s.stage},
                        {"end", s.end},
                        {"waited_for_words", s.waited_for_words},
                        {"waited_for_room", s.waited_for_room}});
    rows.push_back({{"name", layer.name},
                    {"operators", layer.op},
                    {"cycles", layer.cycles},
                    {"modelled_cycles", layer.modelled_cycles},
                    {"data_words", layer.data_words},
                    {"sum_words", layer.sum_words},
                    {"level_words", layer.level_words},
                    {"pooled_words", layer.pooled_words},
                    {"stages", std::move(stages)}});
  }
  return {{"point", Json::parse(tercel::to_json(point))}, {"layers", std::move(rows)}};
}

void print_text(const std::vector<SimulatedLayer>& layers) {
  std::vector<std::vector<std::string>> rows{{"layer", "operators", "cycles", "model", "differ %", "mem_read held up",
                                              "conv starved", "data words", "result words"}};
  int64_t cycles = 0, modelled = 0;
  double worst = 0;
  for (const SimulatedLayer& layer : layers) {
    cycles += layer.cycles;
    modelled += layer.modelled_cycles;
    worst = std::max(worst, std::abs(layer.difference()));
    rows.push_back({layer.name, layer.op, fmt::format("{}", layer.cycles), fmt::format("{}", layer.modelled_cycles),
                    fmt::format("{:+.2f}", 100 * layer.difference()),
                    fmt::format("{}", layer.stages[0].waited_for_room),
                    fmt::format("{}", layer.stages[1].waited_for_words), fmt::format("{}", layer.data_words),
                    fmt::format("{}", layer.pooled_words)});
  }
  print(table(rows));
  print(fmt::format(
      "\n{} layers, {} cycles simulated, {} by the model; the worst layer differs by {:.2f} %. The answer is "
      "the reference kernels', byte for byte. Memory answers at once here: "
      "`tercel fpga estimate` adds its bandwidth.\n",
      layers.size(), cycles, modelled, 100 * worst));
}

void simulate(const Flags& flags) {
  const DesignPoint point = parse_design_point(flags.point);
  const Model model = load_with_warnings(flags.model);
  const std::vector<SimulatedLayer> layers =
      simulate_design(model, point, flags.shape.shapes(model), flags.seed, show_progress());
  end_progress();
  if (flags.json) print(to_json(layers, point));
  else print_text(layers);
}

}  // namespace

void add_simulate(CLI::App& fpga) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = fpga.add_subcommand(
      "simulate", "A quantized network through the kernels' text, a thread per stage: clocks, and who waits for whom");
  command->add_option("model", flags->model, "Quantized ONNX or .tercel file (tercel quantize)")->required();
  command->add_option("--point", flags->point, "As in vec=16,lane=32,window_x=7; what is left out has defaults");
  command->add_option("--seed", flags->seed, "Of the random input");
  flags->shape.add_to(*command);
  command->add_flag("--json", flags->json, "Machine-readable output");
  command->callback([flags] { simulate(*flags); });
}

void add_emit(CLI::App& fpga) {
  struct EmitFlags {
    std::string model, point, folder;
    ShapeFlags shape;
    bool json = false;
  };
  auto flags = std::make_shared<EmitFlags>();
  CLI::App* command = fpga.add_subcommand(
      "emit", "A folder with kernels, host program and build scripts of a quantized network: needs no Tercel");
  command->add_option("model", flags->model, "Quantized ONNX or .tercel file (tercel quantize)")->required();
  command->add_option("--point", flags->point, "As in vec=16,lane=32,window_x=7; what is left out has defaults");
  command->add_option("-o,--output", flags->folder, "Folder to write; must not be there yet")->required();
  flags->shape.add_to(*command);
  command->add_flag("--json", flags->json, "Machine-readable output");
  command->callback([flags] {
    const DesignPoint point = parse_design_point(flags->point);
    const Model model = load_with_warnings(flags->model);
    emit_design(model, point, flags->folder, flags->shape.shapes(model));
    if (flags->json) print(Json{{"folder", flags->folder}, {"point", Json::parse(tercel::to_json(point))}});
    else print(fmt::format("written to {}; its README.md says how to build and run it\n", flags->folder));
  });
}

}  // namespace tercel::cli

#include "engines/pipeline/pipeline_engine.h"

#include <map>
#include <mutex>

#include "base/error.h"
#include "engines/pipeline/pipeline_program.h"
#include "engines/pipeline/simulation.h"
#include "fpga/design_point.h"
#include "passes/recipe.h"

namespace tercel::inline engines {
namespace {

struct PipelineOptions {
  DesignPoint design;
  enum class Executor { opencl, channels, simulated } executor = Executor::opencl;
  std::string platform;
};

/// What a CPU runs best: sums of 7 pixels and 16 lanes stay in registers.
constexpr std::string_view kLane = "lane=16";

PipelineOptions parse_options(std::string_view text) {
  PipelineOptions options;
  std::string point;
  const auto add = [&](std::string_view entry) { point += fmt::format("{}{}", point.empty() ? "" : ",", entry); };
  if (!text.starts_with("lane=") && text.find(",lane=") == std::string_view::npos) add(kLane);
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), entry.size() + 1));
    if (entry == "executor=opencl") options.executor = PipelineOptions::Executor::opencl;
    else if (entry == "executor=channels") options.executor = PipelineOptions::Executor::channels;
    else if (entry == "executor=simulated") options.executor = PipelineOptions::Executor::simulated;
    else if (entry.starts_with("executor="))
      fail_input("pipeline: {}; wanted executor=opencl, channels or simulated", entry);
    else if (entry.starts_with("platform=")) options.platform = entry.substr(9);
    else add(entry);
  }
  options.design = parse_design_point(point);
  return options;
}

class PipelineEngine final : public Engine {
 public:
  explicit PipelineEngine(PipelineOptions options) : options_(std::move(options)) { check(options_.design); }

  std::string_view name() const override { return "pipeline"; }
  std::string_view what() const override {
    return "OpenCL: quantized convolutional networks through pipelined kernels, as on an FPGA; pipeline:KEY=VALUE,... "
           "sets its design point, executor and platform";
  }

  /// Quantized operators exist as operators of levels only after these passes.
  std::span<const Pass> recipe(bool) const override { return engine_recipe(); }

  std::vector<Refusal> refusals(const Graph& graph) const override { return pipeline_refusals(graph, options_.design); }

  std::unique_ptr<const Program> compile(const Graph& graph, const CompileOptions& wanted) const override {
    using Kind = PipelineOptions::Executor;
    if (wanted.bf16) fail_input("engine 'pipeline' computes on levels of 8 bits: precision bf16 is of engine 'cpu'");
    PipelineNetwork network =
        make_pipeline_network(graph, options_.design, {.whole_layers = options_.executor != Kind::opencl});
    return std::make_unique<PipelineProgram>(
        std::move(network), [&](const PipelineNetwork& made) -> std::unique_ptr<Executor> {
          if (options_.executor == Kind::simulated) return std::make_unique<SimulatedPipeline>(made);
          const OpenclOptions opencl{options_.platform, wanted.threads, wanted.progress};
          if (options_.executor == Kind::channels) return make_channels_executor(made, opencl);
          return make_opencl_executor(made, opencl);
        });
  }

 private:
  PipelineOptions options_;
};

}  // namespace

const Engine& pipeline_engine() { return pipeline_engine(""); }

const Engine& pipeline_engine(std::string_view options) {
  static std::mutex mutex;
  static std::map<std::string, PipelineEngine, std::less<>> engines;
  const std::lock_guard lock(mutex);
  const auto found = engines.find(options);
  if (found != engines.end()) return found->second;
  return engines.try_emplace(std::string(options), parse_options(options)).first->second;
}

}  // namespace tercel::inline engines

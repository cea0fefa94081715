#include "engines/pipeline/pipeline_engine.h"

#include "engines/pipeline/pipeline_program.h"
#include "passes/recipe.h"

namespace tercel::inline engines {
namespace {

class PipelineEngine final : public Engine {
 public:
  explicit PipelineEngine(Design design) : design_(design) {}

  std::string_view name() const override { return "pipeline"; }
  std::string_view what() const override {
    return "OpenCL: quantized convolutional networks through pipelined kernels, as on an FPGA";
  }

  /// Quantized operators exist as operators of levels only after these passes.
  std::span<const Pass> recipe(bool) const override { return engine_recipe(); }

  std::vector<Refusal> refusals(const Graph& graph) const override { return pipeline_refusals(graph, design_); }

  std::unique_ptr<const Program> compile(const Graph& graph, const CompileOptions&) const override {
    fail_refused(*this, refusals(graph));
    return std::make_unique<PipelineProgram>(make_pipeline_network(graph, design_, {}), "");
  }

 private:
  Design design_;
};

}  // namespace

const Engine& pipeline_engine() {
  static const PipelineEngine engine({});
  return engine;
}

}  // namespace tercel::inline engines

#include "engines/cpu/cpu_engine.h"

#include <algorithm>

#include "engines/cpu/cpu_program.h"
#include "passes/recipe.h"

namespace tercel::inline engines {
namespace {

class CpuEngine final : public Engine {
 public:
  explicit CpuEngine(bool reference) : reference_(reference) {}

  std::string_view name() const override { return reference_ ? "reference" : "cpu"; }
  std::string_view what() const override {
    return reference_ ? "this processor, reference kernels alone: slow, the definition of what is right"
                      : "this processor, the fastest kernels there are";
  }

  std::span<const Pass> recipe(bool optimize) const override {
    if (optimize) return engine_recipe();
    return reference_ ? std::span<const Pass>() : lowering_recipe();
  }

  std::vector<Refusal> refusals(const Graph& graph) const override {
    std::vector<Refusal> all;
    for (const auto& node : graph.nodes())
      if (std::string reason = why_not_planned(*node); !reason.empty() && !follows_from_another(*node))
        all.push_back({node->describe(), std::move(reason)});
    return all;
  }

  std::unique_ptr<const Program> compile(const Graph& graph, const CompileOptions& options) const override {
    fail_refused(*this, refusals(graph));
    Plan plan = make_plan(graph, {options.isa, options.threads, reference_, options.max_bytes, options.packed.get(),
                                  options.bf16 && !reference_});
    return std::make_unique<CpuProgram>(std::move(plan), options.threads, options.workspaces);
  }

 private:
  /// An operand of unknown shape comes from a node that is refused itself: naming the readers too would hide it.
  static bool follows_from_another(const Node& node) {
    return std::any_of(node.inputs.begin(), node.inputs.end(), [](const Value* value) {
      return value != nullptr && value->producer != nullptr &&
             (value->type.dtype == DType::none || !value->type.static_shape());
    });
  }

  bool reference_;
};

}  // namespace

const Engine& cpu_engine() {
  static const CpuEngine engine(false);
  return engine;
}

const Engine& reference_engine() {
  static const CpuEngine engine(true);
  return engine;
}

}  // namespace tercel::inline engines

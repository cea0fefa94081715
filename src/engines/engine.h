// The door to whatever can run a network: an Engine compiles a graph into a Program, or says by node why it cannot.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/isa.h"
#include "engines/workspace.h"
#include "graph/graph.h"
#include "kernels/packed_weights.h"
#include "passes/pass.h"
#include "tercel/session.h"

namespace tercel::inline engines {

/// An input or output of a program.
struct ProgramPort {
  std::string name;  ///< of the graph's input or output
  DType dtype;
  Dims dims;  ///< all known

  size_t bytes() const { return static_cast<size_t>(count_elements(dims)) * size_of(dtype); }
};

/// One run of a program.
struct RunArgs {
  std::span<const std::byte* const> inputs;  ///< elements of each input: dense, row-major, aligned for their type
  std::span<std::byte* const> outputs;  ///< where the elements of each output go, likewise; no output overlaps another
  std::vector<double>* step_ms = nullptr;  ///< gets the time of each step of report(), where wanted
  std::stop_token stop = {};               ///< asked between steps; Error(stopped) follows
};

/// A network made ready for one set of input shapes. It never changes: several threads may run it at once.
class Program {
 public:
  virtual ~Program() = default;

  /// In the order of the graph.
  virtual std::span<const ProgramPort> inputs() const = 0;
  virtual std::span<const ProgramPort> outputs() const = 0;

  /// Throws Error naming the node for values that only show while running (an index out of range).
  virtual void run(const RunArgs& args) const = 0;

  /// Steps in the order in which they run, and the memory they take. Of PlanReport: steps, arena_bytes,
  /// unshared_bytes, scratch_bytes, weight_bytes.
  virtual PlanReport report() const = 0;
};

/// A node that an engine cannot perform, and why.
struct Refusal {
  std::string node;  ///< "node 'conv3' (Conv)"
  std::string reason;
};

struct CompileOptions {
  Isa isa = Isa::baseline;
  int threads = 1;
  size_t max_bytes = SIZE_MAX;  ///< refuse programs whose activations need more
  /// What programs of one model share; where left out, a program has its own.
  std::shared_ptr<PackedWeights> packed = {};
  std::shared_ptr<WorkspacePool> workspaces = {};
  Progress progress = {};  ///< where compile() takes long
  bool bf16 = false;       ///< SessionOptions::precision
};

/// Knows no model: one object serves all threads.
class Engine {
 public:
  virtual ~Engine() = default;

  /// The word of SessionOptions::engine and `--engine`.
  virtual std::string_view name() const = 0;
  /// For `--help`: what it runs on.
  virtual std::string_view what() const = 0;

  /// Passes that bring a portable graph into the operators of this engine. `optimize` off: only what it cannot do
  /// without.
  virtual std::span<const Pass> recipe(bool optimize) const = 0;

  /// Every node that compile() would refuse; empty where it takes the graph.
  virtual std::vector<Refusal> refusals(const Graph& graph) const = 0;

  /// `graph` has been through recipe(), and all its types are known. Constants that the program holds in a form of its
  /// own are let go (Tensor::release). Throws Error: nodes that it refuses (all of them named), limits.
  virtual std::unique_ptr<const Program> compile(const Graph& graph, const CompileOptions& options) const = 0;
};

/// "\n  node: reason" of the first few, and how many more there are.
std::string listed(std::span<const Refusal> refusals);

/// Throws Error(unsupported) naming the nodes refused (the first few, and how many more); nothing where there are none.
void fail_refused(const Engine& engine, std::span<const Refusal> refusals);

/// Every engine there is, the default first.
std::span<const Engine* const> all_engines();

/// "" is the default; "pipeline:OPTIONS" as pipeline_engine.h says. Throws Error naming the engines there are.
const Engine& find_engine(std::string_view name);

}  // namespace tercel::inline engines

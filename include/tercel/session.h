// A model made ready to run on this machine.
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "tercel/array.h"
#include "tercel/export.h"
#include "tercel/image.h"
#include "tercel/model.h"
#include "tercel/progress.h"

namespace tercel {

struct SessionOptions {
  int threads = 0;         ///< 0: one per processor this process may use
  bool optimize = true;    ///< run the passes first; off: the graph as it is
  std::string engine;      ///< what runs it: a name of available_engines(); empty: the first of them
  bool reference = false;  ///< the same as engine = "reference": slow, the definition of what is right
  std::string isa;         ///< "baseline", "avx2", "avx512"; empty: TERCEL_ISA where set, else the best there is
  /// "fp32" (or empty), or "bf16": products and convolutions hold their weights as bf16, 8 significant bits in half the
  /// memory, and where the processor multiplies bf16 (AVX512_BF16) round what they are multiplied with too; sums stay
  /// fp32. Of the engine cpu; the reference computes in fp32 all the same. Layers in Winograd's form stay fp32.
  std::string precision;
  size_t max_memory = 0;             ///< bytes that activations may take; 0: three quarters of the machine's memory
  std::filesystem::path dump_dir;    ///< gets the graph as text after every pass that changed something
  std::vector<std::string> without;  ///< passes to leave out, by name; Error for a name that is none
  Progress progress;  ///< of what takes an engine long before the first run: OpenCL compiles the pipeline's kernels
};

struct Class {
  int index = 0;
  std::string label;  ///< empty where the model names none
  /// Softmax of the scores, or the scores where the model ends in a softmax; NaN where the model gives the class alone
  /// (it ends in ArgMax).
  float probability = 0;
};

/// How one step of the plan is performed.
struct StepReport {
  std::string node, op, variant;
  std::vector<std::string> why_nots;  ///< "simd_depthwise: not depthwise", for each better variant that refused
  std::string result;                 ///< type of the first result
  int64_t macs = 0, bytes = 0;
  double ms = 0;  ///< median; 0 where nothing was timed
};

struct PlanReport {
  std::vector<StepReport> steps;
  size_t arena_bytes = 0;     ///< activations, memory reused
  size_t unshared_bytes = 0;  ///< the same without reuse
  size_t scratch_bytes = 0;
  size_t weight_bytes = 0;  ///< constants, packed by kernels or as they are
  std::vector<PassReport> pass_log;
  std::string engine;
  int threads = 1;
  std::string isa;
};

struct EngineInfo {
  std::string name;  ///< the word of SessionOptions::engine
  std::string what;  ///< what it runs on, for people
};

/// Every engine of this library, the default first.
TERCEL_API std::vector<EngineInfo> available_engines();

/// Several threads may call run() and classify() of one session at once: they share its weights, and each run has
/// memory of its own. Sessions of one model (and of its copies) share packed weights, too.
class TERCEL_API Session {
 public:
  explicit Session(const Model& model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  const Model& model() const;

  /// One array per model input, in order; gives one per model output. Shapes may change from call to call (the first
  /// call with new shapes prepares a plan). Throws Error naming the input whose type or shape does not fit.
  /// `stop`, once it is asked, ends the run between two nodes with Error(stopped).
  std::vector<Array> run(const std::vector<Array>& inputs, std::stop_token stop = {});

  std::vector<Array> run(std::span<const ArrayView> inputs, std::stop_token stop = {});

  /// Into the caller's memory: one view per model output, of the type and extents that output_ports() gives for these
  /// inputs, aligned for its type; no two overlap, and none overlaps an input. Throws Error naming the one that does
  /// not fit, before anything is written.
  void run(std::span<const ArrayView> inputs, std::span<const MutableArrayView> outputs, std::stop_token stop = {});

  /// Types and extents of the outputs for inputs of these shapes (extents left out are those of Model::full_shapes).
  std::vector<Port> output_ports(const InputShapes& shapes = {});

  /// Prepares for these shapes now instead of at the first run; extents left out are those of Model::full_shapes.
  PlanReport prepare(const InputShapes& shapes = {});

  /// The `top` most likely classes, at least 1. The first output must hold one score per class, or the class itself
  /// (ArgMax: one class is given, whatever `top` says). Throws Error for other networks and for a preprocessing that
  /// does not fit.
  std::vector<Class> classify(const Image& image, int top = 5);
  std::vector<Class> classify(const Image& image, const Preprocessing& how, int top = 5);

  /// Runs `runs` times, each step timed; gives the plan with medians.
  PlanReport profile(const std::vector<Array>& inputs, int runs);

 private:
  struct TERCEL_LOCAL Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  friend struct SessionAccess;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tercel

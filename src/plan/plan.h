// graph x menu -> Plan: kernels chosen, layouts set, every value placed in memory. Nothing is left to decide at run
// time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "kernels/kernel.h"

namespace tercel::inline plan {

/// Where an operand's bytes are at run time.
struct Place {
  enum class Kind : uint8_t { absent, arena, constant, input } kind = Kind::absent;
  size_t at = 0;  ///< arena: byte offset; constant, input: index
};

/// A variant that was not taken, and why.
struct WhyNot {
  std::string variant;
  std::string reason;
};

struct Step {
  std::string node;     ///< what the node is called
  std::string op;       ///< operator, or "reorder"
  std::string variant;  ///< the Choice
  std::vector<WhyNot> why_nots;
  std::vector<Operand> src_types, dst_types;
  std::vector<Place> src, dst;
  std::unique_ptr<Kernel> kernel;
  int64_t macs = 0;   ///< multiply-accumulates
  int64_t bytes = 0;  ///< operands read and results written
};

struct PlanPort {
  std::string name;
  DType dtype;
  Dims dims;
  Place place;  ///< outputs: where the answer is after a run
};

struct Plan {
  std::vector<Step> steps;
  std::vector<PlanPort> inputs, outputs;
  std::vector<Tensor> constants;  ///< aligned; only those that no kernel took over
  size_t arena_bytes = 0;         ///< activations, by reuse
  size_t unshared_bytes = 0;      ///< what activations would take without reuse
  size_t scratch_bytes = 0;       ///< the largest scratch of any step
  size_t packed_bytes = 0;        ///< weights held by kernels
};

struct PlanOptions {
  Isa isa = Isa::baseline;
  int threads = 1;
  bool reference_only = false;      ///< take nothing but reference kernels
  size_t max_bytes = SIZE_MAX;      ///< refuse plans whose activations need more
  PackedWeights* shared = nullptr;  ///< where kernels look for weights that another plan's have packed already
  bool bf16 = false;                ///< Problem::bf16
};

/// Why no kernel can perform this node; empty where the menu has one. (Variants may still refuse its operands: the
/// reference takes all that the shape rules allow.)
std::string why_not_planned(const Node& node);

/// Every type in the graph must be fully known. Throws Error: unsupported operators, limits.
Plan make_plan(const Graph& graph, const PlanOptions& options);

}  // namespace tercel::inline plan

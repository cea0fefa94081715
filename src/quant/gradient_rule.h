// Derivatives of single operators: their arguments, and the table of them.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "base/isa.h"
#include "graph/graph.h"
#include "tensor/buffer.h"

namespace tercel::inline quant {

/// Memory that rules share: aligned, uninitialized, reused from node to node.
class Workspace {
 public:
  float* floats(size_t slot, int64_t count);

 private:
  std::array<Buffer, 3> buffers_;
};

/// What a rule computes from constants once and keeps from run to run.
struct NodeCache {
  std::vector<float> transposed;
  Buffer packed;
};

/// One node, its values, and the gradients that have arrived at its results.
struct RuleContext {
  const Node& node;
  Isa isa;
  Workspace& workspace;
  NodeCache& cache;
  std::vector<const float*> operands{};   ///< elements; set where they are constant or the rule reads them
  std::vector<const float*> results{};    ///< the same
  std::vector<const float*> gradients{};  ///< of results; nullptr where none has arrived
  std::vector<float*> into{};             ///< of operands: the rule adds to it; nullptr where it is not wanted

  const Dims& dims(size_t operand) const { return node.inputs[operand]->type.dims; }
  const Dims& result_dims(size_t result = 0) const { return node.outputs[result]->type.dims; }
  int64_t count(size_t operand) const { return count_elements(dims(operand)); }
};

/// Elements that a rule reads in order to differentiate with respect to one operand.
enum Reads : unsigned { kNothing = 0, kOwn = 1, kOthers = 2, kResult = 4 };

inline constexpr size_t kAllOperands = ~size_t{0};

struct GradientRule {
  std::string_view op;
  size_t free;     ///< operands from here on must be constant or left out
  unsigned reads;  ///< of Reads
  void (*run)(RuleContext&);
};

/// nullptr where the operator has none.
const GradientRule* find_gradient_rule(std::string_view op);

// Parts of the table.
std::span<const GradientRule> elementwise_gradient_rules();
std::span<const GradientRule> linear_gradient_rules();
std::span<const GradientRule> memory_gradient_rules();
std::span<const GradientRule> norm_gradient_rules();
std::span<const GradientRule> pool_gradient_rules();
std::span<const GradientRule> shape_gradient_rules();

/// The rule of Conv (gradient_rules_conv.cc).
void differentiate_conv(RuleContext& c);

}  // namespace tercel::inline quant

#include "passes/defer_layernorm.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "passes/centre_stream.h"
#include "passes/linear_weights.h"
#include "passes/match.h"
#include "passes/norm_readers.h"

namespace tercel::inline passes {
namespace {

constexpr size_t kWeights = 1, kRowScale = 4;

bool has_unit_scale(const Node& norm) {
  if (norm.input(2) != nullptr || !is_f32_constant(norm.input(1))) return false;
  const std::vector<double> scale = norm.input(1)->constant.to_doubles();
  return std::all_of(scale.begin(), scale.end(), [](double s) { return s == 1; });
}

/// P W: what the product makes of a row does not change with the row's mean.
Tensor blind_to_the_mean(const Node& linear) {
  const LinearWeights before(linear);
  const auto k = static_cast<size_t>(before.inputs());
  const std::vector<double> average(k, 1 / static_cast<double>(k));
  return before.edited_later(2 * before.bound(), {.edit = [average](const OutputsPart& part) {
                               part.subtract_from_outputs(part.weighted_sum(average));
                             }});
}

/// Why the norm has to stay; empty: `readers` says who takes over.
std::string refuse(const Graph& graph, const Node& norm, LinearReaders& readers) {
  if (!is_row_norm(norm)) return "it is not over the last axis alone, in f32";
  if (!has_unit_scale(norm)) return "its scale and bias are not folded";
  readers = find_linear_readers(graph, norm.output(), {"FusedMatMul"});
  for (const Node* linear : readers.linears) {
    if (!fits_f32(2 * LinearWeights(*linear).bound()))
      return fmt::format("weights of {} are not finite", linear->describe());
    if (linear->input(kRowScale) != nullptr) return fmt::format("{} scales its rows already", linear->describe());
  }
  return readers.refusal;
}

void defer(Graph& graph, Node& norm, const LinearReaders& readers, bool centred) {
  Value* x = norm.input(0);
  graph.replace_uses(norm.output(), x);
  std::map<const Value*, Value*> scale_of;  // of the rows as each product reads them
  for (Node* linear : readers.linears) {
    Value* rows = linear->input(0);
    Value*& scale = scale_of[rows];
    if (scale == nullptr) {
      ValueType type = rows->type;
      type.dims.back() = 1;
      scale = graph.add_value("row_scale", type);
      graph.add_node("ai.tercel.RowScale", {rows}, {scale},
                     {{"epsilon", norm.attrs.get_float("epsilon")}, {"centred", int64_t{centred}}}, norm.name,
                     node_behind(graph, rows));
    }
    graph.set_input(linear, kWeights,
                    graph.add_constant(linear->input(kWeights)->name + "_centred", blind_to_the_mean(*linear)));
    graph.set_input(linear, kRowScale, scale);
  }
}

}  // namespace

int defer_layernorm(Graph& graph, PassContext& context) {
  std::vector<Node*> norms;
  for (const auto& node : graph.nodes()) {
    if (!node->is("LayerNormalization")) continue;
    LinearReaders readers;
    if (const std::string why = refuse(graph, *node, readers); !why.empty())
      context.notes.push_back(fmt::format("{} stays: {}", node->describe(), why));
    else norms.push_back(node.get());
  }
  // All streams before any norm: centring has to see every norm that reads one.
  std::set<const Value*> centred;
  for (const Node* norm : norms)
    if (const std::string why = centre_stream(graph, norm->input(0), centred); !why.empty())
      context.notes.push_back(fmt::format("{}: the mean is computed, since {}", norm->describe(), why));
  for (Node* norm : norms) {
    LinearReaders readers;
    TERCEL_CHECK(refuse(graph, *norm, readers).empty());
    defer(graph, *norm, readers, centred.contains(norm->input(0)));
  }
  return static_cast<int>(norms.size());
}

}  // namespace tercel::inline passes

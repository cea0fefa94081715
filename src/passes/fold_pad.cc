#include "passes/fold_pad.h"

#include <algorithm>

#include "passes/linear_weights.h"
#include "passes/match.h"

namespace tercel::inline passes {
namespace {

/// Begins and ends over all axes of a constant, non-negative zero padding; nothing where the Pad is of another kind.
std::optional<std::vector<int64_t>> zero_pads(const Node& pad, size_t rank) {
  if (pad.attrs.get_string("mode") != "constant" || pad.input(3) != nullptr) return std::nullopt;
  if (pad.input(1) == nullptr || !pad.input(1)->is_constant()) return std::nullopt;
  if (pad.input(2) != nullptr && !is_scalar_constant(pad.input(2), 0)) return std::nullopt;
  auto pads = pad.input(1)->constant.to_ints();
  const bool usable =
      pads.size() == 2 * rank && std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p >= 0; });
  if (!usable) return std::nullopt;
  return pads;
}

bool fold(Graph& graph, Node& node) {
  const bool counts_padding = node.is("AveragePool") && node.attrs.get_bool("count_include_pad");
  if (!node.is("Conv") && !counts_padding) return false;
  // A kernel leaves its own padding out of the sum, where infinity times the zeros of a Pad is NaN.
  if (node.is("Conv") && is_f32_constant(node.input(1)) &&
      !fits_f32(static_cast<double>(node.input(1)->constant.bound())))
    return false;
  const Node* pad = made_by(node.input(0), "Pad");
  if (pad == nullptr || !pad->input(0)->type.ranked) return false;
  // SAME padding would be worked out anew from the unpadded extent.
  if (node.attrs.get_string("auto_pad") != "NOTSET" && node.attrs.get_string("auto_pad") != "VALID") return false;
  // With ceil_mode the last window's divisor depends on where the operator's own padding ends.
  if (counts_padding && node.attrs.get_bool("ceil_mode")) return false;
  const size_t rank = pad->input(0)->type.dims.size();
  const auto pads = zero_pads(*pad, rank);
  if (!pads || rank < 3) return false;
  if ((*pads)[0] + (*pads)[1] + (*pads)[rank] + (*pads)[rank + 1] != 0) return false;  // batch or channels
  const size_t spatial = rank - 2;
  std::vector<int64_t> sum(2 * spatial, 0);
  if (node.attrs.has("pads") && node.attrs.get_ints("pads").size() == sum.size() &&
      node.attrs.get_string("auto_pad") == "NOTSET")
    sum = node.attrs.get_ints("pads");
  for (size_t i = 0; i < spatial; ++i) {
    sum[i] += (*pads)[2 + i];
    sum[spatial + i] += (*pads)[rank + 2 + i];
  }
  node.attrs.set("auto_pad", std::string("NOTSET"));
  node.attrs.set("pads", sum);
  graph.set_input(&node, 0, pad->inputs[0]);
  return true;
}

}  // namespace

int fold_pad(Graph& graph, PassContext&) {
  return for_each_node(graph, [&](Node& node) { return fold(graph, node); });
}

}  // namespace tercel::inline passes

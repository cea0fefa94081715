#include "tune/norm_sites.h"

#include <algorithm>

#include "base/error.h"
#include "passes/linear_bias.h"
#include "passes/linear_weights.h"
#include "passes/match.h"
#include "passes/norm_readers.h"

namespace tercel::inline tune {
namespace {

LinearReaders readers_of(const Graph& graph, const Node& norm) {
  return find_linear_readers(graph, norm.output(), {"MatMul", "Gemm"});
}

std::string refuse(const Graph& graph, const Node& norm) {
  if (!is_row_norm(norm)) return "it is not over the last axis alone, in f32, of known extent";
  if (norm.input(2) != nullptr || !is_f32_constant(norm.input(1))) return "its scale and bias are not folded";
  const std::vector<double> scale = norm.input(1)->constant.to_doubles();
  if (std::any_of(scale.begin(), scale.end(), [](double s) { return s != 1; }))
    return "its scale and bias are not folded";
  const LinearReaders readers = readers_of(graph, norm);
  if (readers.refusal.empty() && readers.padded) return "its result is padded with zeros, which a shift would change";
  for (const Node* linear : readers.linears) {
    const LinearWeights weights(*linear);
    if (!fits_f32(weights.bound())) return fmt::format("weights of {} are not finite", linear->describe());
    if (!takes_bias(*linear, weights.outputs()))
      return fmt::format("the bias of {} is not one constant number per column", linear->describe());
  }
  return readers.refusal;
}

Node& norm_of(const Graph& graph, const NormSite& site) {
  const Value* output = graph.find_value(site.output);
  TERCEL_CHECK(output != nullptr && output->producer != nullptr, "norm '{}' is gone", site.output);
  return *output->producer;
}

Eigen::MatrixXd matrix_of(const LinearWeights& weights) {
  Eigen::MatrixXd matrix(weights.inputs(), weights.outputs());
  weights.for_each([&](int64_t, int64_t i, int64_t j, double w) { matrix(i, j) = w; });
  return matrix;
}

}  // namespace

std::vector<NormSite> find_norm_sites(const Graph& graph, std::vector<std::string>& refused) {
  std::vector<NormSite> sites;
  for (const auto& node : graph.nodes()) {
    if (!node->is("LayerNormalization")) continue;
    if (const std::string why = refuse(graph, *node); !why.empty()) {
      refused.push_back(fmt::format("{} stays: {}", node->describe(), why));
      continue;
    }
    sites.push_back({node->name.empty() ? node->output()->name : node->name, node->input(0)->name, node->output()->name,
                     node->input(0)->type.dims.back(), node->attrs.get_float("epsilon")});
  }
  return sites;
}

std::string refuse_map(const Graph& graph, const NormSite& site, const NormMap& map) {
  if (map.row_scale.empty()) return {};
  const ValueType& type = norm_of(graph, site).input(0)->type;
  int64_t rows = 1;
  for (size_t i = 1; i + 1 < type.dims.size(); ++i) {
    if (type.dims[i] == kUnknown) return "the number of its rows is not fixed, so they cannot have scales of their own";
    rows *= type.dims[i];
  }
  return rows == static_cast<int64_t>(map.row_scale.size()) ? "" : "it has another number of rows";
}

void fix_norm(Graph& graph, const NormSite& site, const NormMap& map) {
  Node& norm = norm_of(graph, site);
  TERCEL_CHECK(refuse_map(graph, site, map).empty());
  const LinearReaders readers = readers_of(graph, norm);
  for (Node* linear : readers.linears) {
    const LinearWeights weights(*linear);
    const Eigen::MatrixXd before = matrix_of(weights);
    const Eigen::MatrixXd after = map.matrix * before;
    const Eigen::VectorXd shift = before.transpose() * map.shift;
    Tensor edited(DType::f32, linear->input(1)->type.dims);
    auto* elements = reinterpret_cast<float*>(edited.mutable_data());
    weights.for_each(
        [&](int64_t offset, int64_t i, int64_t j, double) { elements[offset] = static_cast<float>(after(i, j)); });
    graph.set_input(linear, 1, graph.add_constant(linear->input(1)->name + "_fixed", std::move(edited)));
    add_bias(graph, *linear, weights.outputs(), shift.size() == 0 ? 0 : shift.lpNorm<Eigen::Infinity>(),
             [shift] { return std::vector<double>(shift.data(), shift.data() + shift.size()); });
  }
  Value* x = norm.input(0);
  if (map.row_scale.empty()) {
    graph.replace_uses(norm.output(), x);
  } else {
    Dims dims = x->type.dims;
    dims.front() = dims.back() = 1;
    Value* scale = graph.add_constant("row_scale", rounded(map.row_scale, dims));
    Value* scaled = graph.add_value(site.output + "_fixed", x->type);
    graph.add_node("Mul", {x, scale}, {scaled}, {}, norm.name, &norm);
    graph.replace_uses(norm.output(), scaled);
  }
  graph.drop_unused();
}

}  // namespace tercel::inline tune

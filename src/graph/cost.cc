#include "graph/cost.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace tercel::inline graph {
namespace {

int64_t elements_of(const Value* value) {
  return value != nullptr && value->type.static_shape() ? count_elements(value->type.dims) : 0;
}

}  // namespace

int64_t count_macs(const Node& node) {
  static constexpr std::string_view kProducts[] = {"Conv",          "FusedConv",  "ConvInteger",   "QLinearConv",
                                                   "ConvTranspose", "MatMul",     "MatMulInteger", "QLinearMatMul",
                                                   "Gemm",          "FusedMatMul"};
  if (std::none_of(std::begin(kProducts), std::end(kProducts), [&](std::string_view op) { return node.is(op); }))
    return 0;
  const Value* a = node.input(0);
  const Value* b = node.input(1);
  const Value* result = node.output();
  if (a == nullptr || b == nullptr || result == nullptr) return 0;
  if (!a->type.static_shape() || !b->type.static_shape() || !result->type.static_shape()) return kUnknown;
  const auto conv = [&](const Value* weights) {  // each result element sums over ic/group * kernel
    const int64_t oc = weights->type.dims.empty() ? 0 : weights->type.dims[0];
    return oc == 0 ? 0 : elements_of(result) * (elements_of(weights) / oc);
  };
  if (node.is("Conv") || node.is("FusedConv") || node.is("ConvInteger")) return conv(b);
  if (node.is("QLinearConv")) return node.input(3) == nullptr ? 0 : conv(node.input(3));
  if (node.is("ConvTranspose")) {  // each source element meets oc/group * kernel weights
    const int64_t ic = b->type.dims.empty() ? 0 : b->type.dims[0];
    return ic == 0 ? 0 : elements_of(a) * (elements_of(b) / ic);
  }
  const auto inner = [&](bool transposed) {
    const Dims& dims = a->type.dims;
    if (dims.empty()) return int64_t{0};
    return transposed && dims.size() >= 2 ? dims[dims.size() - 2] : dims.back();
  };
  if (node.is("MatMul") || node.is("MatMulInteger") || node.is("QLinearMatMul"))
    return elements_of(result) * inner(false);
  if (node.is("Gemm") || node.is("FusedMatMul")) return elements_of(result) * inner(node.attrs.get_bool("transA"));
  return 0;
}

int64_t count_parameters(const Graph& graph) {
  int64_t count = 0;
  for (const auto& value : graph.values())
    if (value->is_constant() && is_float(value->type.dtype)) count += value->constant.elements();
  return count;
}

}  // namespace tercel::inline graph

#include <algorithm>
#include <map>

#include "graph/op.h"
#include "graph/ops/families.h"
#include "graph/ops/shape_rules.h"

namespace tercel::inline graph {
namespace {

constexpr std::string_view kOwnPrefix = "ai.tercel.";

struct Table {
  std::map<std::string_view, OpSpec> by_name;
  std::vector<const OpSpec*> list;

  Table() {
    for (auto* family : {&elementwise_ops, &shape_ops, &reduce_ops, &conv_ops, &matmul_ops, &norm_ops, &quant_ops,
                         &sequence_ops, &own_ops, &fused_ops}) {
      for (OpSpec& spec : family()) {
        const bool own = spec.domain == Domain::tercel;
        TERCEL_CHECK(spec.name.starts_with(kOwnPrefix) == own && (!own || spec.since <= kTercelVersion), "'{}'",
                     spec.name);
        const auto [at, fresh] = by_name.emplace(spec.name, std::move(spec));
        TERCEL_CHECK(fresh, "operator '{}' stands in the table twice", at->first);
      }
    }
    for (const auto& [name, spec] : by_name) list.push_back(&spec);
  }
};

const Table& table() {
  static const Table instance;
  return instance;
}

std::string_view phrase(AttrKind kind) {
  switch (kind) {
    case AttrKind::integer: return "an integer";
    case AttrKind::real: return "a real number";
    case AttrKind::text: return "a text";
    case AttrKind::integers: return "a list of integers";
    case AttrKind::reals: return "a list of real numbers";
    case AttrKind::texts: return "a list of texts";
    case AttrKind::tensor: return "a tensor";
  }
  return "?";
}

}  // namespace

const OpSpec* find_op(std::string_view name) {
  const auto at = table().by_name.find(name);
  return at == table().by_name.end() ? nullptr : &at->second;
}

const OpSpec* find_own_op(std::string_view type) { return find_op(fmt::format("{}{}", kOwnPrefix, type)); }

std::string_view type_in_files(const OpSpec& own) {
  TERCEL_CHECK(own.domain == Domain::tercel);
  return own.name.substr(kOwnPrefix.size());
}

std::span<const OpSpec* const> all_ops() { return table().list; }

void complete_attrs(const OpSpec& spec, Attrs& attrs) {
  for (const auto& entry : attrs) {
    const auto& name = entry.first;
    const auto& value = entry.second;
    const auto known =
        std::find_if(spec.attrs.begin(), spec.attrs.end(), [&](const AttrSpec& a) { return a.name == name; });
    if (known == spec.attrs.end()) fail_input("{} has no attribute '{}'", spec.name, name);
    if (value.index() != static_cast<size_t>(known->kind))
      fail_input("attribute '{}' is {}, wanted {}", name, phrase(static_cast<AttrKind>(value.index())),
                 phrase(known->kind));
  }
  for (const AttrSpec& attr : spec.attrs) {
    if (attrs.has(attr.name)) continue;
    if (attr.need == AttrSpec::Need::required) fail_input("attribute '{}' is missing", attr.name);
    if (attr.need == AttrSpec::Need::defaulted) attrs.set(attr.name, attr.default_value);
  }
}

bool is_default(const OpSpec& spec, std::string_view name, const Attr& value) {
  for (const AttrSpec& attr : spec.attrs)
    if (attr.name == name) return attr.need == AttrSpec::Need::defaulted && same(attr.default_value, value);
  return false;
}

InferContext::InferContext(const Node& node) : node_(node), results_(node.outputs.size()) {}

const ValueType& InferContext::type(size_t operand) const {
  static const ValueType unknown;
  const Value* value = node_.input(operand);
  return value == nullptr ? unknown : value->type;
}

const Tensor* InferContext::constant(size_t operand) const {
  const Value* value = node_.input(operand);
  return value != nullptr && value->is_constant() ? &value->constant : nullptr;
}

void InferContext::set(size_t result, const ValueType& type) {
  if (static_cast<int64_t>(type.dims.size()) > kMaxRank)
    fail(ErrorCode::limit, "result {} would have {} axes, more than {}", result, type.dims.size(), kMaxRank);
  if (result >= results_.size()) return;
  results_[result] = type;
  if (is_float(type.dtype)) results_[result].quantization = nullptr;  // rules copy the types of operands
}
void InferContext::set(size_t result, DType dtype, Dims dims) {
  if (all_known(dims)) count_elements(dims);  // refuses absurd sizes
  set(result, ValueType{dtype, true, std::move(dims)});
}
void InferContext::set_unranked(size_t result, DType dtype) { set(result, ValueType{dtype, false, {}}); }
void InferContext::set_rank(size_t result, DType dtype, int64_t rank) {
  TERCEL_CHECK(rank >= 0);
  set(result, ValueType{dtype, true, Dims(static_cast<size_t>(rank), kUnknown)});
}

void InferContext::need_dtype(size_t operand, std::initializer_list<DType> allowed) const {
  const DType got = dtype(operand);
  if (got == DType::none || std::find(allowed.begin(), allowed.end(), got) != allowed.end()) return;
  std::string wanted;
  for (DType dtype : allowed) wanted += fmt::format("{}{}", wanted.empty() ? "" : ", ", to_string(dtype));
  fail_unsupported("input {} is {}, wanted one of {}", operand, to_string(got), wanted);
}

void InferContext::need_same_dtype(size_t a, size_t b) const {
  if (dtype(a) == DType::none || dtype(b) == DType::none || dtype(a) == dtype(b)) return;
  fail_input("inputs {} and {} have types {} and {}, wanted the same", a, b, to_string(dtype(a)), to_string(dtype(b)));
}

void InferContext::need_rank(size_t operand, int64_t at_least, int64_t at_most) const {
  if (!ranked(operand) || (rank(operand) >= at_least && rank(operand) <= at_most)) return;
  fail_input("input {} has shape {} of rank {}, wanted rank {}", operand, to_string(dims(operand)), rank(operand),
             at_least == at_most ? fmt::format("{}", at_least) : fmt::format("{} to {}", at_least, at_most));
}

void infer_same_as_input(InferContext& c) { c.set(0, c.type(0)); }

namespace {

void infer_broadcast_as(InferContext& c, DType dtype) {
  Dims dims;
  for (size_t i = 0; i < c.inputs(); ++i) {
    c.need_same_dtype(0, i);
    if (!c.ranked(i)) return c.set_unranked(0, dtype);
    const auto both = broadcast(dims, c.dims(i));
    if (!both)
      fail_input("input {} has shape {}, which does not broadcast with {}", i, to_string(c.dims(i)), to_string(dims));
    dims = *both;
  }
  c.set(0, dtype, std::move(dims));
}

}  // namespace

void infer_broadcast(InferContext& c) { infer_broadcast_as(c, c.dtype(0)); }
void infer_broadcast_to_bool(InferContext& c) { infer_broadcast_as(c, DType::boolean); }

}  // namespace tercel::inline graph

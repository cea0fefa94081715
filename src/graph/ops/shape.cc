#include <algorithm>

#include "graph/ops/families.h"
#include "graph/ops/shape_rules.h"

namespace tercel::inline graph {

int64_t product(std::span<const int64_t> dims) { return all_known(dims) ? count_elements(dims) : kUnknown; }

std::vector<int64_t> normalize_axes(std::span<const int64_t> axes, int64_t rank) {
  std::vector<int64_t> normal;
  std::vector<bool> seen(static_cast<size_t>(rank), false);
  for (int64_t axis : axes) {
    normal.push_back(normalize_axis(axis, rank));
    const auto i = static_cast<size_t>(normal.back());
    if (seen[i]) fail_input("axis {} is named twice", axis);
    seen[i] = true;
  }
  return normal;
}

void need_index(const InferContext& c, size_t operand) { c.need_dtype(operand, {DType::i32, DType::i64}); }

std::optional<std::vector<int64_t>> constant_ints(const InferContext& c, size_t operand) {
  need_index(c, operand);
  c.need_rank(operand, 0, 1);
  const Tensor* tensor = c.constant(operand);
  if (tensor == nullptr) return std::nullopt;
  return tensor->to_ints();
}

int64_t vector_length(const InferContext& c, size_t operand) {
  if (!c.ranked(operand)) return kUnknown;
  return c.rank(operand) == 0 ? 1 : c.dims(operand)[0];
}

void need_plausible_rank(int64_t rank) {
  if (rank > kMaxRank) fail(ErrorCode::limit, "result would have {} axes, more than {}", rank, kMaxRank);
}

void set_unknown_extents(InferContext& c, DType dtype, int64_t rank) {
  need_plausible_rank(rank);
  if (rank == kUnknown) c.set_unranked(0, dtype);
  else c.set_rank(0, dtype, rank);
}

const Tensor* constant_scalar(const InferContext& c, size_t operand) {
  if (c.ranked(operand)) {
    const int64_t count = product(c.dims(operand));
    if (count != kUnknown && count != 1) fail_input("input {} has {} elements, wanted one", operand, count);
  }
  return c.constant(operand);
}

std::string_view text_among(const InferContext& c, std::string_view attr,
                            std::initializer_list<std::string_view> words) {
  const std::string& word = c.attrs().get_string(attr);
  if (std::find(words.begin(), words.end(), word) == words.end()) {
    std::string wanted;
    for (std::string_view known : words) wanted += fmt::format("{}{}", wanted.empty() ? "" : ", ", known);
    fail_input("attribute '{}' is '{}', wanted one of {}", attr, word, wanted);
  }
  return word;
}

std::vector<OpSpec> shape_ops() {
  std::vector<OpSpec> all;
  for (auto part : {reshape_ops, generate_ops, cut_ops, gather_ops, resample_ops})
    for (OpSpec& op : part()) all.push_back(std::move(op));
  return all;
}

}  // namespace tercel::inline graph

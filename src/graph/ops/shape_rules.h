// Shape rules of operators that move elements, by what they do; shape.cc lists them.
#pragma once

#include "graph/ops/rules.h"

namespace tercel::inline graph {

/// Nobody's tensor has more axes; a rank that comes from an extent is believed only up to here.
inline constexpr int64_t kMaxRank = 64;

/// Product of extents, kUnknown where one of them is. Throws Error past kMaxElements.
int64_t product(std::span<const int64_t> dims);

/// Axes counted from the front. Throws Error for one outside [-rank, rank) or named twice.
std::vector<int64_t> normalize_axes(std::span<const int64_t> axes, int64_t rank);

/// Elements of a vector operand of integers where it is a constant. Checks type and rank in any case.
std::optional<std::vector<int64_t>> constant_ints(const InferContext& c, size_t operand);

/// Length of a vector operand; kUnknown where it does not show.
int64_t vector_length(const InferContext& c, size_t operand);

void need_plausible_rank(int64_t rank);  ///< Error(limit) past kMaxRank

/// Result 0 has `rank` axes (kUnknown: unranked) of unknown extents.
void set_unknown_extents(InferContext& c, DType dtype, int64_t rank);

/// The one element of a scalar operand where it is a constant; checks that it is one element.
const Tensor* constant_scalar(const InferContext& c, size_t operand);

void need_index(const InferContext& c, size_t operand);  ///< i32 or i64
std::string_view text_among(const InferContext& c, std::string_view attr,
                            std::initializer_list<std::string_view> words);

// Parts of the family; shape_ops() joins them.
std::vector<OpSpec> reshape_ops();   ///< shape_reshape.cc: the same elements in the same order under another shape
std::vector<OpSpec> generate_ops();  ///< shape_generate.cc: results made from shapes or few elements
std::vector<OpSpec> cut_ops();       ///< shape_cut.cc: cutting, joining, padding, permuting
std::vector<OpSpec> gather_ops();    ///< shape_gather.cc: reading and writing at given places
std::vector<OpSpec> resample_ops();  ///< shape_resample.cc: interpolation

}  // namespace tercel::inline graph

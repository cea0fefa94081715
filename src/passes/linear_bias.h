// The bias of a matrix product, wherever the graph adds it.
#pragma once

#include <functional>
#include <vector>

#include "graph/graph.h"

namespace tercel::inline passes {

/// One f32 number per column: a constant of shape [n], [1, n], ...
bool is_column_vector(const Value* value, int64_t n);

/// Can a constant be added to the n columns of this MatMul or Gemm?
bool takes_bias(const Node& linear, int64_t n);

/// Adds shift()[j] to column j of the n that a MatMul or Gemm gives: to its own bias, to that of the Add behind it, or
/// by an Add of its own where there is none. shift() is called lazily, when the sum is read; `bound`: nothing in it is
/// larger in magnitude. Wants takes_bias().
void add_bias(Graph& graph, Node& linear, int64_t n, double bound, std::function<std::vector<double>()> shift);

}  // namespace tercel::inline passes

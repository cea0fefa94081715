// Reference kernels: the definition of every operator, slow and obvious. Any fast kernel is checked against these.
// Operands are dense, row-major, plain layout, aligned for their type.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "tensor/attrs.h"
#include "tensor/view.h"

namespace tercel::inline kernels {

/// Computes all results. Shapes of dst are what the shape rule (graph/ops) says; a result nobody wants has dtype none.
/// May throw Error for values that only show while running (an index out of range).
using RefFn = void (*)(const Attrs& attrs, std::span<const View> src, std::span<const View> dst);

struct RefEntry {
  std::string_view op;
  RefFn run;
};

// One list per family, the families of graph/ops/families.h.
std::vector<RefEntry> elementwise_refs();
std::vector<RefEntry> shape_refs();
std::vector<RefEntry> reduce_refs();
std::vector<RefEntry> conv_refs();
std::vector<RefEntry> matmul_refs();
std::vector<RefEntry> norm_refs();
std::vector<RefEntry> memory_refs();
std::vector<RefEntry> quant_refs();
std::vector<RefEntry> sequence_refs();
std::vector<RefEntry> fused_refs();

/// nullptr where there is none.
RefFn find_ref(std::string_view op);

/// Source i, or an absent View past the end.
inline View operand(std::span<const View> views, size_t i) { return i < views.size() ? views[i] : View{}; }

}  // namespace tercel::inline kernels

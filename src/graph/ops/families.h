// One list of operators per family; graph/op_table.cc collects them.
#pragma once

#include <vector>

#include "graph/op.h"

namespace tercel::inline graph {

std::vector<OpSpec> elementwise_ops();  ///< arithmetic, comparison, activation, Cast, Clip, Where, ...
std::vector<OpSpec> shape_ops();        ///< Reshape, Transpose, Slice, Concat, Gather, Shape, Expand, Pad, Resize, ...
std::vector<OpSpec> reduce_ops();       ///< Reduce*, ArgMax, TopK, CumSum, Softmax, ...
std::vector<OpSpec> conv_ops();         ///< Conv, ConvTranspose, pools
std::vector<OpSpec> matmul_ops();       ///< MatMul, Gemm, Einsum
std::vector<OpSpec> norm_ops();         ///< BatchNormalization, LayerNormalization, ...
std::vector<OpSpec> quant_ops();        ///< QuantizeLinear, DequantizeLinear, QLinear*, ...
std::vector<OpSpec> sequence_ops();     ///< RNN, GRU, LSTM
std::vector<OpSpec> own_ops();          ///< Tercel's own domain, ai.tercel
std::vector<OpSpec> fused_ops();        ///< the engine's, made by passes: Fused*, Silu

}  // namespace tercel::inline graph

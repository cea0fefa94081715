#pragma once

#include "passes/pass.h"

namespace tercel::inline passes {

/// Networks between QuantizeLinear and DequantizeLinear compute on levels:
///
///   DequantizeLinear(x), DequantizeLinear(w) -> Conv (-> Relu, Clip) -> QuantizeLinear   =>   FusedConv(x, w, bias)
///   the same with MatMul (-> Add of a constant), Gemm                                    =>   FusedMatMul(x, w, bias)
///   two DequantizeLinear -> Add (-> Relu, Clip) -> QuantizeLinear                        =>   FusedAdd(a, b)
///   DequantizeLinear -> a mean over the whole map (global_mean.h) -> QuantizeLinear      =>   GlobalAveragePool(x)
///   the same without QuantizeLinear behind it                                            =>   the same, to floats
///   DequantizeLinear -> AveragePool, LRN -> QuantizeLinear                               =>   the same, of levels
///   two DequantizeLinear -> Mul (-> Relu, Clip) -> QuantizeLinear                        =>   LevelMul(a, b)
///   the same where b is a curve of a (SiLU, hard swish)                                  =>   LevelGate(a)
///   DequantizeLinear (-> Relu, Clip) -> QuantizeLinear                                   =>   Requantize(x), or x
///   DequantizeLinear -> Sigmoid or another activation of one number -> QuantizeLinear    =>   Requantize(x)
///   QLinearConv, QLinearMatMul                                                           =>   FusedConv, FusedMatMul
///
/// Operators that only move elements (graph/infer.h), and Pad with zeros, move levels instead; GlobalMaxPool is a
/// MaxPool of them. Results are values whose type says what their levels stand for. Weights may be of either type, with
/// a scale and zero point for all or for each output; a bias may be i32 at any scale, or f32: it is rounded to what
/// sums count in. Where a form is another, a scale is no constant, or a sum might not fit 32 bits, the floats stay.
int lower_quantized(Graph& graph, PassContext& context);

}  // namespace tercel::inline passes

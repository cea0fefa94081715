#include "kernels/menu.h"

#include <map>

#include "kernels/ref/ref.h"
#include "kernels/ref/ref_kernel.h"
#include "kernels/simd/conv.h"
#include "kernels/simd/elementwise.h"
#include "kernels/simd/levels.h"
#include "kernels/simd/matmul.h"
#include "kernels/simd/memory.h"
#include "kernels/simd/move.h"
#include "kernels/simd/norm.h"
#include "kernels/simd/pool.h"
#include "kernels/simd/reduce.h"
#include "kernels/simd/softmax.h"
#include "kernels/simd/winograd.h"

namespace tercel::inline kernels {
namespace {

using Menu = std::map<std::string_view, std::vector<Variant>>;

Menu fast_variants() {
  return {
      {"Abs", {simd_unary()}},
      {"Add", {simd_binary()}},
      {"AveragePool", {simd_pool()}},
      {"BatchNormalization", {simd_batchnorm()}},
      {"Ceil", {simd_unary()}},
      {"Clip", {simd_unary()}},
      {"Concat", {copy_concat()}},
      {"DepthToSpace", {copy_depth_to_space()}},
      {"DequantizeLinear", {dequantize_levels()}},
      {"Div", {simd_binary()}},
      {"Elu", {simd_unary()}},
      {"Erf", {simd_unary()}},
      {"Exp", {simd_unary()}},
      {"Expand", {copy_expand()}},
      {"Floor", {simd_unary()}},
      {"FusedAdd", {simd_binary(), simd_pair_levels()}},
      {"FusedConv",
       {simd_depthwise(), simd_winograd(4), simd_winograd(2), simd_conv(), simd_depthwise_levels(),
        simd_conv_levels()}},
      {"FusedMatMul",
       {simd_gemv(), simd_matmul(), simd_batched_matmul(), simd_matmul_levels(), simd_batched_matmul_levels()}},
      {"Gather", {copy_gather()}},
      {"Gelu", {simd_unary()}},
      {"GlobalAveragePool", {simd_reduce(), simd_reduce_plain(), mean_levels()}},
      {"GlobalMaxPool", {simd_reduce(), simd_reduce_plain()}},
      {"HardSigmoid", {simd_unary()}},
      {"HardSwish", {simd_unary()}},
      {"LayerNormalization", {simd_layernorm()}},
      {"LeakyRelu", {simd_unary()}},
      {"LevelGate", {table_levels()}},
      {"LevelMul", {simd_pair_levels()}},
      {"LogSoftmax", {simd_softmax(), simd_softmax_plain()}},
      {"Max", {simd_binary()}},
      {"MaxPool", {simd_pool(), simd_max_levels()}},
      {"Min", {simd_binary()}},
      {"Mish", {simd_unary()}},
      {"Mul", {simd_binary()}},
      {"Neg", {simd_unary()}},
      {"PRelu", {simd_binary()}},
      {"Pad", {copy_pad()}},
      {"Pow", {simd_power()}},
      {"Reciprocal", {simd_unary()}},
      {"QuantizeLinear", {quantize_levels()}},
      {"ReduceMax", {simd_reduce(), simd_reduce_plain()}},
      {"ReduceMean", {simd_reduce(), simd_reduce_plain()}},
      {"ReduceSum", {simd_reduce(), simd_reduce_plain()}},
      {"Relu", {simd_unary()}},
      {"Round", {simd_unary()}},
      {"Sigmoid", {simd_unary()}},
      {"Silu", {simd_unary()}},
      {"Slice", {copy_slice()}},
      {"Softmax", {simd_softmax(), simd_softmax_plain()}},
      {"Softplus", {simd_unary()}},
      {"SpaceToDepth", {copy_space_to_depth()}},
      {"Split", {copy_split()}},
      {"Sqrt", {simd_unary()}},
      {"Sub", {simd_binary()}},
      {"Sum", {simd_binary()}},
      {"Tanh", {simd_unary()}},
      {"Transpose", {copy_transpose()}},
      {"Requantize", {table_levels()}},
      {"ai.tercel.HopfieldMemory", {learned_memory()}},
      {"ai.tercel.RowScale", {simd_row_scale()}},
      {"ai.tercel.SoftmaxMemory", {popcount_memory()}},
  };
}

Menu build() {
  Menu all = fast_variants();
  for (const RefEntry& entry : all_refs())
    all[entry.op].push_back({"ref", LayoutRule::plain, Elements::any, takes_all, make_ref, nullptr, 0, true, true});
  return all;
}

}  // namespace

std::span<const Variant> menu(std::string_view op) {
  static const Menu all = build();
  const auto at = all.find(op);
  return at == all.end() ? std::span<const Variant>() : at->second;
}

}  // namespace tercel::inline kernels

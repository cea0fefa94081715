#include "kernels/menu.h"

#include <map>

#ifdef TERCEL_HAVE_ONEDNN
#include "kernels/onednn/onednn.h"
#endif
#include "kernels/ref/ref.h"
#include "kernels/ref/ref_kernel.h"
#include "kernels/simd/conv.h"
#include "kernels/simd/elementwise.h"
#include "kernels/simd/matmul.h"
#include "kernels/simd/move.h"

namespace tercel {
namespace {

using Menu = std::map<std::string_view, std::vector<Variant>>;

Menu fast_variants() {
  return {
      {"Abs", {simd_unary()}},
      {"Add", {simd_binary()}},
      {"BatchNormalization", {simd_batchnorm()}},
      {"Ceil", {simd_unary()}},
      {"Clip", {simd_unary()}},
      {"Concat", {copy_concat()}},
      {"DepthToSpace", {copy_depth_to_space()}},
      {"Div", {simd_binary()}},
      {"Elu", {simd_unary()}},
      {"Erf", {simd_unary()}},
      {"Exp", {simd_unary()}},
      {"Expand", {copy_expand()}},
      {"Floor", {simd_unary()}},
      {"FusedAdd", {simd_binary()}},
      {"FusedConv", {simd_depthwise(), simd_conv()}},
      {"FusedMatMul", {simd_gemv(), simd_matmul(), simd_batched_matmul()}},
      {"Gather", {copy_gather()}},
      {"Gelu", {simd_unary()}},
      {"HardSigmoid", {simd_unary()}},
      {"HardSwish", {simd_unary()}},
      {"LeakyRelu", {simd_unary()}},
      {"Max", {simd_binary()}},
      {"Min", {simd_binary()}},
      {"Mish", {simd_unary()}},
      {"Mul", {simd_binary()}},
      {"Neg", {simd_unary()}},
      {"PRelu", {simd_binary()}},
      {"Pad", {copy_pad()}},
      {"Pow", {simd_power()}},
      {"Reciprocal", {simd_unary()}},
      {"Relu", {simd_unary()}},
      {"Round", {simd_unary()}},
      {"Sigmoid", {simd_unary()}},
      {"Silu", {simd_unary()}},
      {"Slice", {copy_slice()}},
      {"Softplus", {simd_unary()}},
      {"SpaceToDepth", {copy_space_to_depth()}},
      {"Split", {copy_split()}},
      {"Sqrt", {simd_unary()}},
      {"Sub", {simd_binary()}},
      {"Sum", {simd_binary()}},
      {"Tanh", {simd_unary()}},
      {"Transpose", {copy_transpose()}},
  };
}

Menu build() {
  Menu all = fast_variants();
#ifdef TERCEL_HAVE_ONEDNN
  // Behind our own, which measure faster here (docs/decisions/0003-own-kernels-first.md): for what those refuse.
  all["FusedConv"].push_back(onednn_conv());
  all["FusedMatMul"].push_back(onednn_matmul());
#endif
  for (const RefEntry& entry : all_refs()) all[entry.op].push_back({"ref", LayoutRule::plain, takes_all, make_ref});
  return all;
}

}  // namespace

std::span<const Variant> menu(std::string_view op) {
  static const Menu all = build();
  const auto at = all.find(op);
  return at == all.end() ? std::span<const Variant>() : at->second;
}

}  // namespace tercel

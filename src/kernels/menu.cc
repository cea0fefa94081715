#include "kernels/menu.h"

#include <map>

#ifdef TERCEL_HAVE_ONEDNN
#include "kernels/onednn/onednn.h"
#endif
#include "kernels/ref/ref.h"
#include "kernels/ref/ref_kernel.h"
#include "kernels/simd/conv.h"
#include "kernels/simd/matmul.h"
#include "kernels/simd/move.h"

namespace tercel {
namespace {

using Menu = std::map<std::string_view, std::vector<Variant>>;

Menu fast_variants() {
  return {
      {"Concat", {copy_concat()}},
      {"DepthToSpace", {copy_depth_to_space()}},
      {"Expand", {copy_expand()}},
      {"FusedConv", {simd_depthwise(), simd_conv()}},
      {"FusedMatMul", {simd_gemv(), simd_matmul(), simd_batched_matmul()}},
      {"Gather", {copy_gather()}},
      {"Pad", {copy_pad()}},
      {"Slice", {copy_slice()}},
      {"SpaceToDepth", {copy_space_to_depth()}},
      {"Split", {copy_split()}},
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

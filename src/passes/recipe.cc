#include "passes/recipe.h"

#include "passes/defer_layernorm.h"
#include "passes/drop_identity.h"
#include "passes/fold_batchnorm.h"
#include "passes/fold_constants.h"
#include "passes/fold_layernorm.h"
#include "passes/fold_pad.h"
#include "passes/fuse_activation.h"
#include "passes/fuse_add.h"
#include "passes/fuse_gelu.h"
#include "passes/fuse_hardswish.h"
#include "passes/fuse_layernorm.h"
#include "passes/fuse_silu.h"
#include "passes/hoist_gather.h"
#include "passes/lower_linear.h"
#include "passes/lower_quantized.h"

namespace tercel::inline passes {

std::span<const Pass> minimal_recipe() {
  static constexpr Pass kPasses[] = {{"fold_constants", "compute what does not depend on the input", fold_constants}};
  return kPasses;
}

std::span<const Pass> portable_recipe() {
  static constexpr Pass kPasses[] = {
      {"fold_constants", "compute what does not depend on the input", fold_constants},
      {"drop_identity", "drop operators that change nothing", drop_identity},
      {"fold_pad", "padding in front of a convolution or pool goes into its pads", fold_pad},
      {"fold_batchnorm", "batch normalization goes into the weights before it", fold_batchnorm},
      {"fuse_layernorm", "recognize layer normalization written as primitive operators", fuse_layernorm},
      {"hoist_gather", "normalize only the rows that are read", hoist_gather},
      {"fold_layernorm", "scale and bias of layer normalization go into the products that read it", fold_layernorm},
      {"fuse_hardswish", "recognize hard swish written as primitive operators", fuse_hardswish},
  };
  return kPasses;
}

std::span<const Pass> lowering_recipe() {
  static constexpr Pass kPasses[] = {{"fold_dequantized", "compute weights from their levels", fold_dequantized},
                                     {"lower_linear", "Conv, MatMul and Gemm in the engine's form", lower_linear}};
  return kPasses;
}

std::span<const Pass> dequantizing_recipe() {
  static constexpr Pass kPasses[] = {{"fold_dequantized",
                                      "compute what does not depend on the input, weights from their levels too",
                                      fold_dequantized}};
  return kPasses;
}

std::string_view current_name(std::string_view pass) { return pass == "lift_pick" ? "hoist_gather" : pass; }

std::span<const Pass> engine_recipe() {
  static constexpr Pass kPasses[] = {
      {"lower_quantized", "operators between QuantizeLinear and DequantizeLinear compute on levels", lower_quantized},
      {"fold_dequantized", "weights whose levels no operator takes become floats", fold_dequantized},
      {"fuse_gelu", "recognize GELU written as primitive operators", fuse_gelu},
      {"fuse_silu", "recognize SiLU written as x * sigmoid(x)", fuse_silu},
      {"lower_linear", "Conv, MatMul and Gemm take bias, residual and activation", lower_linear},
      {"fuse_add", "biases and residuals are added where the product is written", fuse_add},
      {"fuse_activation", "activations are applied where the product is written", fuse_activation},
      {"defer_layernorm", "layer normalization becomes a factor per row of the product", defer_layernorm},
  };
  return kPasses;
}

}  // namespace tercel::inline passes

#include <algorithm>

#include "base/error.h"
#include "kernels/levels.h"
#include "kernels/simd/gemm_levels.h"
#include "kernels/simd/level_operands.h"
#include "kernels/simd/levels.h"

namespace tercel::inline kernels {
namespace {

constexpr size_t kBias = 2;

class MatmulLevelsKernel final : public Kernel {
 public:
  explicit MatmulLevelsKernel(const Problem& p) : isa_(p.isa) {
    const LevelsForm form = levels_form(p.isa, p.src[1]);
    const Operand& b = p.src[1];
    const bool transposed = p.attrs->get_bool("transB");
    const int64_t k = p.src[0].dims.back(), n = p.dst[0].dims.back();
    const LevelReader read(b);
    const auto weight = [&](int64_t i, int64_t column) {
      return read(transposed ? column * k + i : i * n + column, column);
    };
    packed_ =
        p.packed(1, form_of_levels(p, transposed ? "matmul_levels n k" : "matmul_levels k n"),
                 packed_levels(k, 1, n, form), [&](std::byte* packed) { pack_levels(k, 1, n, form, weight, packed); });
    const std::vector<Ratio> ratios = product_ratios(*p.src[0].quantization, *b.quantization, *p.dst[0].quantization,
                                                     p.attrs->get_float("alpha_scale"));
    columns_ = level_columns(p, form, 0, n, k, ratios, kBias, weight);
    job_.group = form.group;
    job_.m = p.src[0].elements() / k;
    job_.n = n;
    job_.depth = job_.lda = k;
    job_.ldd = n;
    job_.a_signed = p.src[0].dtype == DType::i8;
  }

  bool consumed(size_t operand) const override { return operand == 1 || operand == kBias; }
  size_t packed_bytes() const override { return packed_->size() + columns_.bytes(); }

  void run(const Args& args) const override {
    LevelsJob job = job_;
    job.a = reinterpret_cast<const uint8_t*>(args.src[0]);
    job.b = packed_->data();
    job.dst = reinterpret_cast<uint8_t*>(args.dst[0]);
    columns_.give_to(job);
    gemm_levels(job, isa_);
  }

 private:
  Isa isa_;
  LevelsJob job_;
  LevelColumns columns_;
  std::shared_ptr<const Buffer> packed_;
};

std::string refuse(const Problem& p) {
  if (!p.src[1].constant) return "b is not constant";
  if (p.src[1].rank() != 2) return "b has batch axes";
  if (p.src[0].rank() < 2) return "an operand is a vector";
  if (p.attrs->get_bool("transA")) return "a is transposed";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  return refuse_sums(p, p.src[0].dims.back(), kBias);
}

}  // namespace

Variant simd_matmul_levels() {
  return {"simd_matmul_levels", LayoutRule::plain, Elements::levels, refuse, make_kernel<MatmulLevelsKernel>};
}

}  // namespace tercel::inline kernels

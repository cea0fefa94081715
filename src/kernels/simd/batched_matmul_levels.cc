#include <algorithm>

#include "base/error.h"
#include "kernels/levels.h"
#include "kernels/simd/batches.h"
#include "kernels/simd/gemm_levels.h"
#include "kernels/simd/level_operands.h"
#include "kernels/simd/levels.h"

namespace tercel::inline kernels {
namespace {

constexpr size_t kBias = 2;

/// Of two activations: the second is packed in every run, and its zero point moved out of the levels, which the bias of
/// a column has to know: sum (x - x0) w = sum x w - x0 sum w.
class BatchedMatmulLevelsKernel final : public Kernel {
 public:
  explicit BatchedMatmulLevelsKernel(const Problem& p)
      : isa_(p.isa),
        form_{2, levels_tile(p.isa).columns},
        b_signed_(p.src[1].dtype == DType::i8),
        transposed_(p.attrs->get_bool("transB")),
        x_zero_(p.src[0].quantization->zeros[0]),
        b_zero_(p.src[1].quantization->zeros[0]),
        a_offsets_(batch_offsets(p.src[0].dims, p.dst[0].dims)),
        b_offsets_(batch_offsets(p.src[1].dims, p.dst[0].dims)),
        threads_(p.threads),
        by_matrix_(share_by_matrix(static_cast<int64_t>(a_offsets_.size()), p.threads)) {
    const Dims& y = p.dst[0].dims;
    job_.m = y[y.size() - 2];
    job_.n = job_.ldd = y.back();
    job_.depth = job_.lda = p.src[0].dims.back();
    job_.a_signed = p.src[0].dtype == DType::i8;
    columns_ = LevelColumns(job_.n, form_, range_after(ActivationOf(*p.attrs), p.dst[0].dtype, *p.dst[0].quantization));
    const std::vector<Ratio> ratios = product_ratios(*p.src[0].quantization, *p.src[1].quantization,
                                                     *p.dst[0].quantization, p.attrs->get_float("alpha_scale"));
    columns_.in_floats = true;
    for (int64_t j = 0; j < job_.n; ++j) {
      const int32_t bias = p.input(kBias) ? p.src[kBias].constant.at<int32_t>(j) : 0;
      columns_.ratio[static_cast<size_t>(j)] = ratios[0].value();
      columns_.bias[static_cast<size_t>(j)] = bias;
      const int64_t magnitude = 255 * job_.depth, moved = std::abs(x_zero_) * magnitude;
      columns_.in_floats &=
          floats_requantize(largest_sum(magnitude, std::abs(int64_t{bias}) + moved), ratios[0].value());
    }
    packed_bytes_ = round_up<size_t>(packed_levels(job_.depth, 1, job_.n, form_), kAlignment);
    lane_bytes_ = packed_bytes_ + round_up<size_t>(columns_.bias.size() * sizeof(int32_t), kAlignment);
  }

  bool consumed(size_t operand) const override { return operand == kBias; }
  size_t packed_bytes() const override { return columns_.bytes(); }
  size_t scratch_bytes() const override { return lane_bytes_ * static_cast<size_t>(by_matrix_ ? threads_ : 1); }

  void run(const Args& args) const override {
    for_each_matrix(std::ssize(a_offsets_), by_matrix_, [&](int64_t i, int lane) { multiply(args, i, lane); });
  }

 private:
  void multiply(const Args& args, int64_t i, int64_t lane) const {
    std::byte* packed = args.scratch + static_cast<size_t>(lane) * lane_bytes_;
    auto* bias = reinterpret_cast<int32_t*>(packed + packed_bytes_);
    const auto at = static_cast<size_t>(i);
    std::copy(columns_.bias.begin(), columns_.bias.end(), bias);
    if (b_signed_) pack(reinterpret_cast<const int8_t*>(args.src[1]) + b_offsets_[at], packed, bias);
    else pack(reinterpret_cast<const uint8_t*>(args.src[1]) + b_offsets_[at], packed, bias);
    LevelsJob job = job_;
    columns_.give_to(job);
    job.bias = bias;
    job.a = reinterpret_cast<const uint8_t*>(args.src[0]) + a_offsets_[at];
    job.b = packed;
    job.dst = reinterpret_cast<uint8_t*>(args.dst[0]) + i * job.m * job.n;
    gemm_levels(job, isa_);
  }

  template <typename Level>
  void pack(const Level* b, std::byte* packed, int32_t* bias) const {
    const int64_t along_k = transposed_ ? 1 : job_.n, along_n = transposed_ ? job_.depth : 1;
    const auto weight = [&](int64_t k, int64_t column) {
      const int32_t value = b[k * along_k + column * along_n] - b_zero_;
      bias[column] = wrapped(int64_t{bias[column]} - x_zero_ * value);  // pack_levels() asks once for each
      return value;
    };
    pack_levels(job_.depth, 1, job_.n, form_, weight, packed);
  }

  Isa isa_;
  LevelsForm form_;
  bool b_signed_, transposed_;
  int64_t x_zero_;
  int32_t b_zero_;
  std::vector<int64_t> a_offsets_, b_offsets_;
  int threads_;
  bool by_matrix_;
  LevelsJob job_;
  LevelColumns columns_;
  size_t packed_bytes_ = 0, lane_bytes_ = 0;
};

std::string refuse(const Problem& p) {
  if (p.src[0].rank() < 2 || p.src[1].rank() < 2) return "an operand is a vector";
  if (p.attrs->get_bool("transA")) return "a is transposed";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  if (p.src[1].quantization != nullptr && !p.src[1].quantization->per_tensor()) return "b has several scales";
  return refuse_sums(p, p.src[0].dims.back(), kBias);
}

}  // namespace

Variant simd_batched_matmul_levels() {
  return {"simd_batched_matmul_levels", LayoutRule::plain, Elements::levels, refuse,
          make_kernel<BatchedMatmulLevelsKernel>};
}

}  // namespace tercel::inline kernels

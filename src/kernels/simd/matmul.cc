#include "kernels/simd/matmul.h"

#include <algorithm>

#include "base/bits.h"
#include "base/error.h"
#include "base/threads.h"
#include "kernels/activation.h"
#include "kernels/simd/batches.h"
#include "kernels/simd/gemm.h"
#include "tensor/element_source.h"

namespace tercel::inline kernels {
namespace {

constexpr size_t kBias = 2, kResidual = 3, kRowScale = 4;
constexpr int64_t kFewRows = 4;

/// Sizes of a matrix product, batch axes aside.
struct Sizes {
  int64_t m, n, k;
  bool trans_b;

  explicit Sizes(const Problem& p) {
    const Dims &a = p.src[0].dims, &b = p.src[1].dims;
    trans_b = p.attrs->get_bool("transB");
    k = a.back();
    n = trans_b ? b[b.size() - 2] : b.back();
    m = a[a.size() - 2];
  }
};

std::string refuse_common(const Problem& p) {
  if (p.src[0].rank() < 2 || p.src[1].rank() < 2) return "an operand is a vector";
  if (p.attrs->get_bool("transA")) return "a is transposed";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  if (p.input(kBias)) {
    if (!p.src[kBias].constant) return "the bias is not constant";
    const Dims& bias = p.src[kBias].dims;  // of Gemm, where it may be a scalar
    if (bias.empty() || p.src[kBias].elements() != p.dst[0].dims.back() || bias.back() != p.dst[0].dims.back())
      return "the bias is not one number per column";
  }
  return {};
}

GemmJob common_job(const Problem& p) {
  GemmJob job;
  const Sizes s(p);
  const ActivationOf activation(*p.attrs);
  job.n = s.n;
  job.depth = s.k;
  job.lda = s.k;
  job.ldd = s.n;
  job.m = s.m;
  job.scale = p.attrs->get_float("alpha_scale");
  job.activation = activation.kind;
  job.alpha = activation.alpha;
  job.beta = activation.beta;
  return job;
}

std::vector<float> padded_bias(const Problem& p) {
  std::vector<float> bias;
  if (!p.input(kBias)) return bias;
  bias.resize(static_cast<size_t>(round_up<int64_t>(p.dst[0].dims.back(), gemm_tile(p.isa).columns)), 0.0f);
  for (int64_t i = 0; i < p.src[kBias].elements(); ++i)
    bias[static_cast<size_t>(i)] = p.src[kBias].constant.at<float>(i);
  return bias;
}

/// An optional operand, from its element `first` on.
const float* optional_operand(const Args& args, size_t operand, int64_t first = 0) {
  const auto* floats = args.src.size() > operand ? reinterpret_cast<const float*>(args.src[operand]) : nullptr;
  return floats == nullptr ? nullptr : floats + first;
}

// ---- constant weights

int64_t rows_of(const Problem& p) { return p.src[0].elements() / p.src[0].dims.back(); }

std::string refuse_constant(const Problem& p) {
  if (std::string reason = refuse_common(p); !reason.empty()) return reason;
  if (!p.src[1].constant) return "b is not constant";
  if (p.src[1].rank() != 2) return "b has batch axes";
  return {};
}

class GemvKernel final : public Kernel {
 public:
  explicit GemvKernel(const Problem& p) : isa_(p.isa), job_(common_job(p)), weights_(p.src[1].constant) {
    job_.m = rows_of(p);
    if (p.bf16) {
      const auto count = static_cast<size_t>(weights_.elements());
      b16_ = p.packed(1, "gemv bf16", count * sizeof(uint16_t), [&](std::byte* packed) {
        const std::byte* from = weights_.data();
        auto* to = reinterpret_cast<uint16_t*>(packed);
        parallel_for(static_cast<int64_t>(count), 1 << 16, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            to[i] = BFloat16(load_unaligned<float>(from + i * static_cast<int64_t>(sizeof(float)))).bits;
        });
      });
      weights_ = {};
    } else {
      weights_.data();  // made now, not in the first run
    }
    bias_ = padded_bias(p);
  }
  // The weights stay in the model's own memory, which this kernel keeps alive; but as bf16.
  bool consumed(size_t operand) const override { return operand == 1 || operand == kBias; }
  size_t packed_bytes() const override {
    return bias_.size() * sizeof(float) + (b16_ == nullptr ? weights_.bytes() : b16_->size());
  }

  void run(const Args& args) const override {
    GemmJob job = job_;
    job.a = reinterpret_cast<const float*>(args.src[0]);
    job.dst = reinterpret_cast<float*>(args.dst[0]);
    job.bias = bias_.empty() ? nullptr : bias_.data();
    job.residual = optional_operand(args, kResidual);
    job.row_scale = optional_operand(args, kRowScale);
    if (b16_ == nullptr) gemv_transposed(job, weights_.data(), isa_);
    else gemv_transposed_b16(job, reinterpret_cast<const uint16_t*>(b16_->data()), isa_);
  }

 private:
  Isa isa_;
  GemmJob job_;
  std::vector<float> bias_;
  Tensor weights_;
  std::shared_ptr<const Buffer> b16_;  // or these
};

size_t packed_bytes_of(int64_t k, int64_t n, bool bf16, Isa isa) {
  return bf16 ? packed_b16_bytes(k, 1, n, isa) : packed_b_floats(k, n, isa) * sizeof(float);
}

/// Packs a constant b, as bf16 or as it is. Weights that passes have rewritten are made some columns at a time, which
/// are still in the cache when they are packed: they are read from memory once, and never held as a whole.
void pack_constant(const Tensor& b, const Sizes& s, bool bf16, Isa isa, std::byte* packed) {
  const auto pack = [&](const std::byte* columns, int64_t count, std::byte* to) {
    const auto offsets = strided_offsets(s.k, s.trans_b ? 1 : count);
    const int64_t stride = s.trans_b ? s.k : 1;
    if (bf16) pack_b16(columns, offsets, 1, count, stride, isa, reinterpret_cast<uint16_t*>(to));
    else pack_b(columns, offsets, count, stride, isa, reinterpret_cast<float*>(to));
  };
  const auto make = slices(b, s.trans_b ? 0 : 1);
  if (make == nullptr) return pack(b.data(), s.n, packed);
  constexpr int64_t kCached = 384 << 10;  // bytes
  const int64_t panel = gemm_tile(isa).columns, panel_bytes = s.k * panel * static_cast<int64_t>(sizeof(float));
  const int64_t width = panel * std::max<int64_t>(1, kCached / panel_bytes);
  parallel_for(div_up(s.n, width), 1, [&](int64_t begin, int64_t end) {
    Buffer slice(static_cast<size_t>(s.k * std::min(width, s.n)) * sizeof(float));
    for (int64_t first = begin * width; first < std::min(s.n, end * width); first += width) {
      const int64_t count = std::min(width, s.n - first);
      make(first, first + count, slice.data());
      pack(slice.data(), count, packed + packed_bytes_of(s.k, first, bf16, isa));
    }
  });
}

class MatmulKernel final : public Kernel {
 public:
  explicit MatmulKernel(const Problem& p) : isa_(p.isa), job_(common_job(p)) {
    const Sizes s(p);
    job_.m = rows_of(p);
    bf16_ = p.bf16;
    packed_ =
        p.packed(1, fmt::format("matmul {} {}{}", to_string(isa_), s.trans_b ? "n k" : "k n", bf16_ ? " bf16" : ""),
                 packed_bytes_of(s.k, s.n, bf16_, isa_),
                 [&](std::byte* packed) { pack_constant(p.src[1].constant, s, bf16_, isa_, packed); });
    bias_ = padded_bias(p);  // after the weights: it may have been computed with them
  }
  bool consumed(size_t operand) const override { return operand == 1 || operand == kBias; }
  size_t packed_bytes() const override { return packed_->size() + bias_.size() * sizeof(float); }

  void run(const Args& args) const override {
    GemmJob job = job_;
    job.a = reinterpret_cast<const float*>(args.src[0]);
    if (bf16_) job.b16 = reinterpret_cast<const uint16_t*>(packed_->data());
    else job.b = reinterpret_cast<const float*>(packed_->data());
    job.dst = reinterpret_cast<float*>(args.dst[0]);
    job.bias = bias_.empty() ? nullptr : bias_.data();
    job.residual = optional_operand(args, kResidual);
    job.row_scale = optional_operand(args, kRowScale);
    gemm(job, isa_);
  }

 private:
  Isa isa_;
  GemmJob job_;
  bool bf16_ = false;
  std::vector<float> bias_;
  std::shared_ptr<const Buffer> packed_;
};

// ---- two activations

class BatchedMatmulKernel final : public Kernel {
 public:
  explicit BatchedMatmulKernel(const Problem& p)
      : isa_(p.isa),
        job_(common_job(p)),
        bias_(padded_bias(p)),
        a_offsets_(batch_offsets(p.src[0].dims, p.dst[0].dims)),
        b_offsets_(batch_offsets(p.src[1].dims, p.dst[0].dims)) {
    const Sizes s(p);
    k_offsets_ = strided_offsets(s.k, s.trans_b ? 1 : s.n);
    n_stride_ = s.trans_b ? s.k : 1;
    packed_floats_ = round_up<size_t>(packed_b_floats(s.k, s.n, isa_), kAlignment / sizeof(float));
    const auto batch = static_cast<int64_t>(a_offsets_.size());
    threads_ = p.threads;
    by_matrix_ = share_by_matrix(batch, p.threads);
  }
  bool consumed(size_t operand) const override { return operand == kBias; }
  size_t scratch_bytes() const override {
    return packed_floats_ * sizeof(float) * static_cast<size_t>(by_matrix_ ? threads_ : 1);
  }

  void run(const Args& args) const override {
    for_each_matrix(std::ssize(a_offsets_), by_matrix_, [&](int64_t i, int lane) { multiply(args, i, lane); });
  }

 private:
  void multiply(const Args& args, int64_t i, int64_t lane) const {
    auto* packed = reinterpret_cast<float*>(args.scratch) + static_cast<size_t>(lane) * packed_floats_;
    const auto at = static_cast<size_t>(i);
    pack_b(args.src[1] + b_offsets_[at] * static_cast<int64_t>(sizeof(float)), k_offsets_, job_.n, n_stride_, isa_,
           packed);
    GemmJob job = job_;
    job.a = reinterpret_cast<const float*>(args.src[0]) + a_offsets_[at];
    job.b = packed;
    job.dst = reinterpret_cast<float*>(args.dst[0]) + i * job.m * job.n;
    job.bias = bias_.empty() ? nullptr : bias_.data();
    job.residual = optional_operand(args, kResidual, i * job.m * job.n);
    job.row_scale = optional_operand(args, kRowScale, i * job.m);
    gemm(job, isa_);
  }

  Isa isa_;
  GemmJob job_;
  std::vector<float> bias_;
  std::vector<int64_t> a_offsets_, b_offsets_, k_offsets_;
  int64_t n_stride_ = 1;
  size_t packed_floats_ = 0;
  bool by_matrix_ = false;
  int threads_ = 1;
};

}  // namespace

Variant simd_gemv() {
  return {"simd_gemv",
          LayoutRule::plain,
          Elements::f32,
          [](const Problem& p) -> std::string {
            if (std::string reason = refuse_constant(p); !reason.empty()) return reason;
            if (!p.attrs->get_bool("transB")) return "b is not transposed: its columns do not lie together";
            return {};
          },
          make_kernel<GemvKernel>,
          [](const Problem& p) -> std::string {  // it reads the weights once for every few rows
            if (rows_of(p) <= kFewRows) return {};
            return fmt::format("{} rows, more than {}", rows_of(p), kFewRows);
          }};
}

Variant simd_matmul() {
  return {"simd_matmul", LayoutRule::plain, Elements::f32, refuse_constant, make_kernel<MatmulKernel>};
}

Variant simd_batched_matmul() {
  return {"simd_batched_matmul", LayoutRule::plain, Elements::f32, refuse_common, make_kernel<BatchedMatmulKernel>};
}

}  // namespace tercel::inline kernels

#include "base/error.h"
#include "kernels/onednn/common.h"
#include "kernels/onednn/onednn.h"

namespace tercel {
namespace {

using dnnl::memory;

constexpr size_t kB = 1, kBias = 2, kResidual = 3, kRowScale = 4;

/// A dense matrix, or stack of them, with the last two axes as they lie or exchanged.
memory::desc matrices(const Dims& dims, size_t rank, bool transposed) {
  memory::dims sizes(rank - dims.size(), 1);
  sizes.insert(sizes.end(), dims.begin(), dims.end());
  memory::dims strides(sizes.size());
  int64_t step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = step;
    step *= sizes[i];
  }
  if (transposed) {
    std::swap(sizes[rank - 1], sizes[rank - 2]);
    std::swap(strides[rank - 1], strides[rank - 2]);
  }
  return {sizes, memory::data_type::f32, strides};
}

class OnednnMatmul final : public Kernel {
 public:
  explicit OnednnMatmul(const Problem& p) {
    const size_t rank = p.dst[0].dims.size();
    const memory::desc a = matrices(p.src[0].dims, rank, p.attrs->get_bool("transA"));
    const memory::desc plain_b = matrices(p.src[kB].dims, rank, p.attrs->get_bool("transB"));
    const memory::desc dst = matrices(p.dst[0].dims, rank, false);
    const bool packs = static_cast<bool>(p.src[kB].constant);
    const memory::desc b =
        packs ? memory::desc(plain_b.dims(), memory::data_type::f32, memory::format_tag::any) : plain_b;
    memory::desc bias;
    if (p.input(kBias)) bias = matrices({p.dst[0].dims.back()}, rank, false);
    const dnnl::matmul::desc desc =
        p.input(kBias) ? dnnl::matmul::desc(a, b, bias, dst) : dnnl::matmul::desc(a, b, dst);
    pd_ = dnnl::matmul::primitive_desc(desc, attributes(ActivationOf(*p.attrs), p.input(kResidual) ? &dst : nullptr),
                                       onednn_engine());
    primitive_ = dnnl::matmul(pd_);
    if (packs) {
      const Tensor plain = p.src[kB].constant.aligned();
      b_ = memory(pd_.weights_desc(), onednn_engine());
      memory from = bind(plain_b, plain.data());
      dnnl::stream stream(onednn_engine());
      dnnl::reorder(from, b_).execute(stream, from, b_);
      stream.wait();
    }
    if (p.input(kBias)) bias_ = p.src[kBias].constant.aligned();
    packs_ = packs;
  }

  size_t scratch_bytes() const override { return pd_.scratchpad_desc().get_size(); }
  bool consumed(size_t operand) const override { return (operand == kB && packs_) || operand == kBias; }
  size_t packed_bytes() const override { return packs_ ? pd_.weights_desc().get_size() : 0; }

  void run(const Args& args) const override {
    dnnl::stream stream(onednn_engine());
    std::unordered_map<int, memory> operands{{DNNL_ARG_SRC, bind(pd_.src_desc(), args.src[0])},
                                             {DNNL_ARG_WEIGHTS, packs_ ? b_ : bind(pd_.weights_desc(), args.src[kB])},
                                             {DNNL_ARG_DST, bind(pd_.dst_desc(), args.dst[0])},
                                             {DNNL_ARG_SCRATCHPAD, bind(pd_.scratchpad_desc(), args.scratch)}};
    if (bias_) operands.emplace(DNNL_ARG_BIAS, bind(pd_.bias_desc(), bias_.data()));
    if (args.src.size() > kResidual && args.src[kResidual] != nullptr)
      operands.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, bind(pd_.dst_desc(), args.src[kResidual]));
    primitive_.execute(stream, operands);
    stream.wait();
  }

 private:
  dnnl::matmul::primitive_desc pd_;
  dnnl::matmul primitive_;
  memory b_;
  Tensor bias_;
  bool packs_ = false;
};

std::string why_not(const Problem& p) {
  if (std::string reason = refuse_isa(p); !reason.empty()) return reason;
  if (p.src[0].dtype != DType::f32) return fmt::format("elements are {}, not f32", to_string(p.src[0].dtype));
  if (p.src[0].rank() < 2 || p.src[kB].rank() < 2 || p.dst[0].rank() > 6)
    return "an operand is a vector, or has more than six axes";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  if (p.attrs->get_float("alpha_scale") != 1) return "the product is scaled before the bias";
  if (p.input(kRowScale)) return "rows are scaled before the bias";
  if (p.input(kBias) && (!p.src[kBias].constant || p.src[kBias].dims != Dims{p.dst[0].dims.back()}))
    return "the bias is not one constant number per column";
  return refuse_activation(p);
}

}  // namespace

Variant onednn_matmul() {
  return {"onednn_matmul", LayoutRule::plain, why_not,
          [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<OnednnMatmul>(p); }};
}

}  // namespace tercel

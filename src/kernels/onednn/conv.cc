#include "base/error.h"
#include "kernels/onednn/common.h"
#include "kernels/onednn/onednn.h"
#include "tensor/window.h"

namespace tercel {
namespace {

using dnnl::memory;

constexpr size_t kWeights = 1, kBias = 2, kResidual = 3;

memory::desc nhwc(const Dims& dims) {
  return {memory::dims(dims.begin(), dims.end()), memory::data_type::f32, memory::format_tag::nhwc};
}

class OnednnConv final : public Kernel {
 public:
  explicit OnednnConv(const Problem& p) {
    const Dims &x = p.src[0].dims, &w = p.src[kWeights].dims;
    const int64_t group = p.attrs->get_int("group");
    const auto windows = conv_windows(*p.attrs, std::span(x).subspan(2), std::span(w).subspan(2));
    memory::dims strides, dilations, begins, ends;
    for (const Window& window : windows) {
      strides.push_back(window.stride);
      dilations.push_back(window.dilation - 1);
      begins.push_back(window.pad_begin);
      // What the last window needs, which may be less than the padding asked for.
      ends.push_back((window.output - 1) * window.stride + window.reach() - window.input - window.pad_begin);
    }
    memory::dims grouped(w.begin(), w.end());
    auto plain_tag = memory::format_tag::oihw;
    if (group > 1) {
      grouped = {group, w[0] / group, w[1], w[2], w[3]};
      plain_tag = memory::format_tag::goihw;
    }
    const memory::desc any_weights(grouped, memory::data_type::f32, memory::format_tag::any);
    const memory::desc bias_desc =
        p.input(kBias) ? memory::desc({w[0]}, memory::data_type::f32, memory::format_tag::a) : memory::desc();
    const memory::desc dst = nhwc(p.dst[0].dims);
    const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                               nhwc(x), any_weights, bias_desc, dst, strides, dilations, begins, ends);
    pd_ = dnnl::convolution_forward::primitive_desc(
        desc, attributes(ActivationOf(*p.attrs), p.input(kResidual) ? &dst : nullptr), onednn_engine());
    primitive_ = dnnl::convolution_forward(pd_);

    const Tensor weights = p.src[kWeights].constant.aligned();
    weights_ = memory(pd_.weights_desc(), onednn_engine());
    memory plain = bind({grouped, memory::data_type::f32, plain_tag}, weights.data());
    dnnl::stream stream(onednn_engine());
    dnnl::reorder(plain, weights_).execute(stream, plain, weights_);
    stream.wait();
    if (p.input(kBias)) bias_ = p.src[kBias].constant.aligned();
  }

  size_t scratch_bytes() const override { return pd_.scratchpad_desc().get_size(); }
  bool consumed(size_t operand) const override { return operand == kWeights || operand == kBias; }
  size_t packed_bytes() const override { return pd_.weights_desc().get_size(); }

  void run(const Args& args) const override {
    dnnl::stream stream(onednn_engine());
    std::unordered_map<int, memory> operands{{DNNL_ARG_SRC, bind(pd_.src_desc(), args.src[0])},
                                             {DNNL_ARG_WEIGHTS, weights_},
                                             {DNNL_ARG_DST, bind(pd_.dst_desc(), args.dst[0])},
                                             {DNNL_ARG_SCRATCHPAD, bind(pd_.scratchpad_desc(), args.scratch)}};
    if (bias_) operands.emplace(DNNL_ARG_BIAS, bind(pd_.bias_desc(), bias_.data()));
    if (args.src.size() > kResidual && args.src[kResidual] != nullptr)
      operands.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, bind(pd_.dst_desc(), args.src[kResidual]));
    primitive_.execute(stream, operands);
    stream.wait();
  }

 private:
  dnnl::convolution_forward::primitive_desc pd_;
  dnnl::convolution_forward primitive_;
  memory weights_;
  Tensor bias_;
};

std::string why_not(const Problem& p) {
  if (std::string reason = refuse_isa(p); !reason.empty()) return reason;
  if (p.src[0].dtype != DType::f32 || p.src[0].rank() != 4) return "not f32 of rank 4";
  if (!p.src[kWeights].constant || (p.input(kBias) && !p.src[kBias].constant))
    return "weights or bias are not constant";
  if (p.input(kResidual).constant) return "the residual is a constant";
  // Its AVX2 product by gemm (oneDNN 2.6) adds the first group's residual to every group.
  if (p.input(kResidual) && p.attrs->get_int("group") > 1) return "groups and a residual";
  if (p.dst[0].elements() == 0 || p.src[0].elements() == 0) return "nothing to compute";
  return refuse_activation(p);
}

}  // namespace

Variant onednn_conv() {
  return {"onednn_conv", LayoutRule::channels_last, why_not,
          [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<OnednnConv>(p); }};
}

}  // namespace tercel

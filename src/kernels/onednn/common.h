// What oneDNN's entries share.
#pragma once

#include <optional>

#include <oneapi/dnnl/dnnl.hpp>

#include "base/isa.h"
#include "kernels/activation.h"
#include "kernels/kernel.h"

namespace tercel {

inline const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// oneDNN picks its instruction set once per process, so it cannot honour a session that asks for a lesser one.
inline std::string refuse_isa(const Problem& p) {
  return p.isa == machine_isa() ? "" : fmt::format("oneDNN cannot be held to {}", to_string(p.isa));
}

struct Eltwise {
  dnnl::algorithm algorithm;
  float alpha, beta;
};

/// The activation in oneDNN's terms; nothing where it has none with the same values.
inline std::optional<Eltwise> eltwise_of(const ActivationOf& a) {
  switch (a.kind) {
    case Activation::relu: return Eltwise{dnnl::algorithm::eltwise_relu, 0, 0};
    case Activation::leaky_relu: return Eltwise{dnnl::algorithm::eltwise_relu, a.alpha, 0};
    case Activation::clip: return Eltwise{dnnl::algorithm::eltwise_clip_v2, a.alpha, a.beta};
    case Activation::sigmoid: return Eltwise{dnnl::algorithm::eltwise_logistic, 0, 0};
    case Activation::tanh: return Eltwise{dnnl::algorithm::eltwise_tanh, 0, 0};
    case Activation::silu: return Eltwise{dnnl::algorithm::eltwise_swish, 1, 0};
    case Activation::gelu: return Eltwise{dnnl::algorithm::eltwise_gelu_erf, 0, 0};
    case Activation::elu: return Eltwise{dnnl::algorithm::eltwise_elu, a.alpha, 0};
    default: return std::nullopt;
  }
}

inline std::string refuse_activation(const Problem& p) {
  const ActivationOf activation(*p.attrs);
  if (activation.kind == Activation::none || eltwise_of(activation)) return {};
  return fmt::format("oneDNN has no activation {}", to_string(activation.kind));
}

/// Residual, then activation, as post-operations.
inline dnnl::primitive_attr attributes(const ActivationOf& activation, const dnnl::memory::desc* residual,
                                       float scale = 1) {
  dnnl::post_ops ops;
  if (residual != nullptr) ops.append_binary(dnnl::algorithm::binary_add, *residual);
  if (const auto eltwise = eltwise_of(activation))
    ops.append_eltwise(1.0f, eltwise->algorithm, eltwise->alpha, eltwise->beta);
  dnnl::primitive_attr attr;
  attr.set_post_ops(ops);
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (scale != 1) attr.set_output_scales(0, {scale});
  return attr;
}

inline dnnl::memory bind(const dnnl::memory::desc& desc, const std::byte* data) {
  return dnnl::memory(desc, onednn_engine(), const_cast<std::byte*>(data));
}

}  // namespace tercel

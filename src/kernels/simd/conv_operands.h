// What every kernel of a dense convolution asks of its operands, and the weights and bias it holds.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/simd/conv_rows.h"
#include "kernels/simd/gemm.h"

namespace tercel::inline kernels {

inline constexpr size_t kConvWeights = 1, kConvBias = 2, kConvResidual = 3;

/// Why no product on rows can perform this FusedConv; empty where one can.
std::string why_no_dense_conv(const Problem& p);

/// Weights as panels of the product, and the bias with each group's part filled up to whole panels.
class ConvOperands {
 public:
  enum class Order : uint8_t {
    by_tap,      ///< as summing_order says
    by_channel,  ///< the taps of a channel lie together
  };
  ConvOperands(const Problem& p, const ConvSizes& g, Order order = Order::by_tap);

  const float* weights(int64_t group = 0) const { return reinterpret_cast<const float*>(of_group(group)); }
  /// The weights of a group, in the form that they were packed in.
  void give_to(GemmJob& job, int64_t group) const {
    if (b16_) job.b16 = reinterpret_cast<const uint16_t*>(of_group(group));
    else job.b = weights(group);
  }
  const float* bias(int64_t group = 0) const { return bias_.empty() ? nullptr : bias_.data() + group * bias_stride_; }
  size_t bytes() const { return packed_->size() + bias_.size() * sizeof(float); }
  static bool consumed(size_t operand) { return operand == kConvWeights || operand == kConvBias; }

 private:
  const std::byte* of_group(int64_t group) const { return packed_->data() + static_cast<size_t>(group) * group_bytes_; }

  bool b16_ = false;
  size_t group_bytes_ = 0;
  std::shared_ptr<const Buffer> packed_;
  std::vector<float> bias_;
  int64_t bias_stride_ = 0;
};

}  // namespace tercel::inline kernels

#include "kernels/activation.h"
#include "kernels/ref/convolve.h"
#include "kernels/ref/elementwise.h"
#include "kernels/ref/levels.h"
#include "kernels/ref/multiply.h"
#include "kernels/ref/number.h"
#include "kernels/ref/ref.h"

namespace tercel::inline kernels {
namespace {

/// activation(value), rounded to float before.
template <typename T>
T activated(const ActivationOf& activation, double value) {
  return convert<T>(activation(static_cast<float>(value)));
}

void fused_conv(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (!is_float(src[0].dtype)) return conv_of_levels(attrs, src, dst);
  const ConvGeometry geometry(attrs, src[0], src[1]);
  const ActivationOf activation(attrs);
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const View bias_view = operand(src, 2);
    const View residual_view = operand(src, 3);
    const T* bias = bias_view ? bias_view.as<T>() : nullptr;
    const T* residual = residual_view ? residual_view.as<T>() : nullptr;
    T* out = dst[0].as<T>();
    convolve<double>(
        geometry, src[0].as<T>(), 0.0, src[1].as<T>(), [](int64_t) { return 0.0; },
        [&](int64_t first, int64_t o, const double* sums, int64_t count) {
          const double offset = bias != nullptr ? to_double(bias[o]) : 0.0;
          for (int64_t i = 0; i < count; ++i)
            out[first + i] = activated<T>(
                activation, sums[i] + offset + (residual != nullptr ? to_double(residual[first + i]) : 0.0));
        });
  });
}

void fused_matmul(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (!is_float(src[0].dtype)) return matmul_of_levels(attrs, src, dst);
  const MatmulGeometry product(src[0], src[1], dst[0].dims, attrs.get_bool("transA"), attrs.get_bool("transB"));
  const ActivationOf activation(attrs);
  const auto factor = static_cast<double>(attrs.get_float("alpha_scale"));
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const View bias = operand(src, 2);
    const View residual_view = operand(src, 3);
    const T* residual = residual_view ? residual_view.as<T>() : nullptr;
    const View row_scale_view = operand(src, 4);
    const T* row_scale = row_scale_view ? row_scale_view.as<T>() : nullptr;
    const int64_t columns = dst[0].dims.empty() ? 1 : dst[0].dims.back();
    T* out = dst[0].as<T>();
    // The bias is spread over the result first: its axes need not be those of the matrices.
    std::vector<double> offsets(static_cast<size_t>(bias ? dst[0].elements() : 0));
    if (bias)
      walk(dst[0].dims, std::array{broadcast_strides(bias.dims, dst[0].dims)},
           [&](int64_t i, const auto& at) { offsets[static_cast<size_t>(i)] = to_double(bias.as<T>()[at[0]]); });
    multiply<double>(product, src[0].as<T>(), src[1].as<T>(),
                     [&](int64_t first, int64_t, const double* sums, int64_t count) {
                       for (int64_t i = first; i < first + count; ++i) {
                         double value = sums[i - first] * factor;
                         if (row_scale != nullptr) value *= to_double(row_scale[i / columns]);
                         if (!offsets.empty()) value += offsets[static_cast<size_t>(i)];
                         if (residual != nullptr) value += to_double(residual[i]);
                         out[i] = activated<T>(activation, value);
                       }
                     });
  });
}

void fused_add(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  if (!is_float(src[0].dtype)) return add_of_levels(attrs, src, dst);
  const ActivationOf activation(attrs);
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::array strides{broadcast_strides(src[0].dims, dst[0].dims), broadcast_strides(src[1].dims, dst[0].dims)};
    walk(dst[0].dims, strides, [&](int64_t i, const auto& at) {
      dst[0].as<T>()[i] = activated<T>(activation, to_double(src[0].as<T>()[at[0]]) + to_double(src[1].as<T>()[at[1]]));
    });
  });
}

}  // namespace

std::vector<RefEntry> fused_refs() {
  return {{"FusedConv", fused_conv},
          {"FusedMatMul", fused_matmul},
          {"FusedAdd", fused_add},
          {"LevelMul", multiply_levels},
          {"LevelGate", gate_levels},
          {"Requantize", requantize_levels},
          unary_ref("Silu", []<Real C>(C x) { return x / (1 + std::exp(-x)); })};
}

}  // namespace tercel::inline kernels

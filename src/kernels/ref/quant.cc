#include "kernels/ref/axes.h"
#include "kernels/ref/convolve.h"
#include "kernels/ref/multiply.h"
#include "kernels/ref/number.h"
#include "kernels/ref/ref.h"

namespace tercel::inline kernels {
namespace {

/// Half to even, then shifted and saturated.
template <typename Q>
Q quantize(double value, int64_t zero) {
  return convert<Q>(std::nearbyint(value) + static_cast<double>(zero));
}

template <typename F>
void visit_quantized(DType dtype, F&& f) {
  switch (dtype) {
    case DType::u8: return f(Tag<uint8_t>{});
    case DType::i8: return f(Tag<int8_t>{});
    case DType::u16: return f(Tag<uint16_t>{});
    case DType::i16: return f(Tag<int16_t>{});
    case DType::i32: return f(Tag<int32_t>{});
    default: fail_unsupported("no reference kernel for {}", to_string(dtype));
  }
}

std::vector<int64_t> ints_of(const View& view) {
  std::vector<int64_t> values;
  if (view)
    visit_quantized(view.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for (int64_t i = 0; i < view.elements(); ++i) values.push_back(view.as<T>()[i]);
    });
  return values;
}

std::vector<double> scales_of(const View& view) {
  if (is_float(view.dtype)) return doubles_of(view);
  const std::vector<int64_t> values = ints_of(view);
  return {values.begin(), values.end()};
}

/// f(i, p) for every element i with the place p of its scale and zero point.
template <typename F>
void for_each_with_scale(const Attrs& attrs, std::span<const View> src, F&& f) {
  const int64_t count = src[0].elements();
  if (src[1].elements() <= 1) {
    for (int64_t i = 0; i < count; ++i) f(i, size_t{0});
    return;
  }
  const AxisSplit axis(src[0].dims, attrs.get_int("axis"));
  for (int64_t i = 0; i < count; ++i) f(i, static_cast<size_t>(i / axis.inner % axis.extent));
}

/// x / scale is rounded to float before it is rounded to an integer: that decides ties as ONNX has them, in its
/// operands' precision.
void quantize_linear(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const std::vector<double> x = scales_of(src[0]);
  const std::vector<double> scales = scales_of(src[1]);
  std::vector<int64_t> zeros = ints_of(operand(src, 2));
  if (zeros.empty()) zeros.assign(scales.size(), 0);
  visit_quantized(dst[0].dtype, [&](auto tag) {
    using Q = typename decltype(tag)::type;
    for_each_with_scale(attrs, src, [&](int64_t i, size_t p) {
      const float quotient = static_cast<float>(x[static_cast<size_t>(i)]) / static_cast<float>(scales[p]);
      dst[0].as<Q>()[i] = quantize<Q>(static_cast<double>(quotient), zeros[p]);
    });
  });
}

void dequantize_linear(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const std::vector<double> scales = doubles_of(src[1]);
  std::vector<int64_t> zeros = ints_of(operand(src, 2));
  if (zeros.empty()) zeros.assign(scales.size(), 0);
  visit_quantized(src[0].dtype, [&](auto q_tag) {
    using Q = typename decltype(q_tag)::type;
    visit_float(dst[0].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_each_with_scale(attrs, src, [&](int64_t i, size_t p) {
        const int64_t level = int64_t{src[0].as<Q>()[i]} - zeros[p];
        dst[0].as<T>()[i] = convert<T>(static_cast<double>(level) * scales[p]);
      });
    });
  });
}

/// The range of x and 0 over 255 levels. Where x is all zeros any scale would do; it is 1, so that nothing divides by
/// 0.
void dynamic_quantize_linear(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const float* x = src[0].as<float>();
  const int64_t count = src[0].elements();
  float low = 0;
  float high = 0;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  const float scale = high == low ? 1 : (high - low) / 255;
  const auto zero = convert<uint8_t>(std::nearbyint(-low / scale));
  if (const View y = operand(dst, 0))
    for (int64_t i = 0; i < count; ++i) y.as<uint8_t>()[i] = quantize<uint8_t>(static_cast<double>(x[i] / scale), zero);
  if (const View y = operand(dst, 1)) y.as<float>()[0] = scale;
  if (const View y = operand(dst, 2)) y.as<uint8_t>()[0] = zero;
}

/// f(tags of x, w and y), each u8 or i8.
template <typename F>
void visit_three_bytes(DType x, DType w, DType y, F&& f) {
  visit_byte(x, [&](auto x_tag) {
    visit_byte(w, [&](auto w_tag) { visit_byte(y, [&](auto y_tag) { f(x_tag, w_tag, y_tag); }); });
  });
}

void qlinear_conv(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const ConvGeometry geometry(attrs, src[0], src[3]);
  visit_three_bytes(src[0].dtype, src[3].dtype, dst[0].dtype, [&](auto x_tag, auto w_tag, auto y_tag) {
    using X = typename decltype(x_tag)::type;
    using W = typename decltype(w_tag)::type;
    using Y = typename decltype(y_tag)::type;
    const double x_scale = doubles_of(src[1])[0];
    const std::vector<double> w_scale = doubles_of(src[4]);
    const double y_scale = doubles_of(src[6])[0];
    const int64_t y_zero = src[7].as<Y>()[0];
    const View bias_view = operand(src, 8);
    const int32_t* bias = bias_view ? bias_view.as<int32_t>() : nullptr;
    Y* out = dst[0].as<Y>();
    convolve<int64_t>(geometry, src[0].as<X>(), ZeroPoint<X>(src[2])(0), src[3].as<W>(), ZeroPoint<W>(src[5]),
                      [&](int64_t first, int64_t o, const int64_t* sums, int64_t count) {
                        const double scale =
                            x_scale * w_scale[w_scale.size() > 1 ? static_cast<size_t>(o) : 0] / y_scale;
                        const int64_t offset = bias != nullptr ? bias[o] : 0;
                        for (int64_t i = 0; i < count; ++i)
                          out[first + i] = quantize<Y>(static_cast<double>(sums[i] + offset) * scale, y_zero);
                      });
  });
}

void qlinear_matmul(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const MatmulGeometry product(src[0], src[3], dst[0].dims);
  visit_three_bytes(src[0].dtype, src[3].dtype, dst[0].dtype, [&](auto a_tag, auto b_tag, auto y_tag) {
    using A = typename decltype(a_tag)::type;
    using B = typename decltype(b_tag)::type;
    using Y = typename decltype(y_tag)::type;
    const auto a_scale = PerLine<float>::rows(src[1], product);
    const auto b_scale = PerLine<float>::columns(src[4], product);
    const double y_scale = doubles_of(src[6])[0];
    const int64_t y_zero = src[7].as<Y>()[0];
    Y* out = dst[0].as<Y>();
    multiply<int64_t>(product, src[0].as<A>(), PerLine<A>::rows(src[2], product), src[3].as<B>(),
                      PerLine<B>::columns(src[5], product),
                      [&](int64_t first, int64_t column, const int64_t* sums, int64_t count) {
                        const int64_t row = first / product.n;
                        const double left = static_cast<double>(a_scale(row / product.m, row % product.m)) / y_scale;
                        for (int64_t i = 0; i < count; ++i)
                          out[first + i] = quantize<Y>(static_cast<double>(sums[i]) * left *
                                                           static_cast<double>(b_scale(row / product.m, column + i)),
                                                       y_zero);
                      });
  });
}

}  // namespace

std::vector<RefEntry> quant_refs() {
  return {{"QuantizeLinear", quantize_linear},
          {"DequantizeLinear", dequantize_linear},
          {"DynamicQuantizeLinear", dynamic_quantize_linear},
          {"QLinearConv", qlinear_conv},
          {"QLinearMatMul", qlinear_matmul}};
}

}  // namespace tercel::inline kernels

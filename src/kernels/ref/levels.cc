// The engine's operators on levels: u8 or i8 that stand for (level - zero) * scale.
#include "kernels/levels.h"

#include "kernels/ref/axes.h"
#include "kernels/ref/convolve.h"
#include "kernels/ref/levels.h"
#include "kernels/ref/multiply.h"
#include "kernels/ref/number.h"
#include "tensor/normalize_levels.h"

namespace tercel::inline kernels {
namespace {

const Quantization& meaning(const View& view) {
  TERCEL_CHECK(is_level_type(view.dtype) && view.quantization != nullptr, "levels without a meaning");
  return *view.quantization;
}

/// f(tags of the operands' types), each u8 or i8.
template <typename F>
void visit_two(const View& a, const View& b, F&& f) {
  visit_byte(a.dtype, [&](auto a_tag) { visit_byte(b.dtype, [&](auto b_tag) { f(a_tag, b_tag); }); });
}

void store(const View& dst, int64_t i, int32_t level) {
  dst.data[i] = static_cast<std::byte>(level);  // the low byte is the level, in either type
}

}  // namespace

void conv_of_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const Quantization &x = meaning(src[0]), &w = meaning(src[1]), &y = meaning(dst[0]);
  const ConvGeometry geometry(attrs, src[0], src[1]);
  const LevelRange to = range_after(ActivationOf(attrs), dst[0].dtype, y);
  const std::vector<Ratio> ratios = product_ratios(x, w, y);
  const int32_t* bias = operand(src, 2) ? src[2].as<int32_t>() : nullptr;
  visit_two(src[0], src[1], [&](auto x_tag, auto w_tag) {
    using X = typename decltype(x_tag)::type;
    using W = typename decltype(w_tag)::type;
    convolve<int64_t>(
        geometry, src[0].as<X>(), int64_t{x.zeros[0]}, src[1].as<W>(), [&](int64_t o) { return int64_t{w.zero(o)}; },
        [&](int64_t first, int64_t o, const int64_t* sums, int64_t count) {
          const Ratio ratio = ratios[w.per_tensor() ? 0 : static_cast<size_t>(o)];
          const int64_t offset = bias != nullptr ? bias[o] : 0;
          for (int64_t i = 0; i < count; ++i) store(dst[0], first + i, requantize(sums[i] + offset, ratio, to));
        });
  });
}

void matmul_of_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const Quantization &a = meaning(src[0]), &b = meaning(src[1]), &y = meaning(dst[0]);
  const MatmulGeometry product(src[0], src[1], dst[0].dims, attrs.get_bool("transA"), attrs.get_bool("transB"));
  const LevelRange to = range_after(ActivationOf(attrs), dst[0].dtype, y);
  const std::vector<Ratio> ratios = product_ratios(a, b, y, attrs.get_float("alpha_scale"));
  const int32_t* bias = operand(src, 2) ? src[2].as<int32_t>() : nullptr;
  visit_two(src[0], src[1], [&](auto a_tag, auto b_tag) {
    using A = typename decltype(a_tag)::type;
    using B = typename decltype(b_tag)::type;
    multiply<int64_t>(
        product, src[0].as<A>(), [&](int64_t, int64_t) { return int64_t{a.zeros[0]}; }, src[1].as<B>(),
        [&](int64_t, int64_t column) { return int64_t{b.zero(column)}; },
        [&](int64_t first, int64_t column, const int64_t* sums, int64_t count) {
          for (int64_t i = 0; i < count; ++i)
            store(dst[0], first + i,
                  requantize(sums[i] + (bias != nullptr ? bias[column + i] : 0),
                             ratios[b.per_tensor() ? 0 : static_cast<size_t>(column + i)], to));
        });
  });
}

void add_of_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const Quantization &a = meaning(src[0]), &b = meaning(src[1]), &y = meaning(dst[0]);
  const LevelRange to = range_after(ActivationOf(attrs), dst[0].dtype, y);
  const TwoRatios ratios = sum_ratios(a, b, y);
  const std::array strides{broadcast_strides(src[0].dims, dst[0].dims), broadcast_strides(src[1].dims, dst[0].dims)};
  visit_two(src[0], src[1], [&](auto a_tag, auto b_tag) {
    using A = typename decltype(a_tag)::type;
    using B = typename decltype(b_tag)::type;
    walk(dst[0].dims, strides, [&](int64_t i, const auto& at) {
      store(dst[0], i,
            requantize_sum(src[0].as<A>()[at[0]] - a.zeros[0], src[1].as<B>()[at[1]] - b.zeros[0], ratios, to));
    });
  });
}

void multiply_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const Quantization &a = meaning(src[0]), &b = meaning(src[1]), &y = meaning(dst[0]);
  const LevelRange to = range_after(ActivationOf(attrs), dst[0].dtype, y);
  const Ratio ratio = ratio_or_fail(product_ratio(a.scales[0], b.scales[0], y.scales[0]));
  const std::array strides{broadcast_strides(src[0].dims, dst[0].dims), broadcast_strides(src[1].dims, dst[0].dims)};
  visit_two(src[0], src[1], [&](auto a_tag, auto b_tag) {
    using A = typename decltype(a_tag)::type;
    using B = typename decltype(b_tag)::type;
    walk(dst[0].dims, strides, [&](int64_t i, const auto& at) {
      const int64_t product = int64_t{src[0].as<A>()[at[0]] - a.zeros[0]} * (src[1].as<B>()[at[1]] - b.zeros[0]);
      store(dst[0], i, requantize(product, ratio, to));
    });
  });
}

void mean_of_levels(std::span<const View> src, std::span<const View> dst) {
  const Quantization& x = meaning(src[0]);
  const int64_t planes = dst[0].elements(), area = planes == 0 ? 0 : src[0].elements() / planes;
  if (area == 0) return;
  const bool to_floats = dst[0].dtype == DType::f32;
  const Ratio ratio = to_floats ? Ratio{} : mean_ratio(x, meaning(dst[0]), area);
  const LevelRange to = to_floats ? LevelRange{} : range_of(dst[0].dtype, meaning(dst[0]).zeros[0]);
  visit_byte(src[0].dtype, [&](auto tag) {
    using X = typename decltype(tag)::type;
    for (int64_t plane = 0; plane < planes; ++plane) {
      int64_t sum = 0;
      for (int64_t i = 0; i < area; ++i) sum += src[0].as<X>()[plane * area + i] - x.zeros[0];
      if (to_floats) dst[0].as<float>()[plane] = mean_in_floats(sum, x.scales[0], area);
      else store(dst[0], plane, requantize(sum, ratio, to));
    }
  });
}

void normalize_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const Quantization &x = meaning(src[0]), &y = meaning(dst[0]);
  const auto norm = LevelNorm::of(attrs, x, y);
  if (!norm) fail_unsupported("a factor of normalization, or a sum of squares, does not fit 32 bits");
  const AxisSplit channels(src[0].dims, 1);
  const LevelRange to = range_of(dst[0].dtype, y.zeros[0]);
  visit_byte(src[0].dtype, [&](auto tag) {
    using X = typename decltype(tag)::type;
    channels.for_each_line([&](int64_t first) {
      const auto level = [&](int64_t c) { return int32_t{src[0].as<X>()[first + c * channels.inner]} - x.zeros[0]; };
      for (int64_t c = 0; c < channels.extent; ++c) {
        int32_t squares = 0;
        const auto [begin, end] = normalized_with(c, norm->size, channels.extent);
        for (int64_t i = begin; i < end; ++i) squares += level(i) * level(i);
        const int64_t result = shift_to_nearest_even(int64_t{level(c)} * norm->factor(squares), norm->shift);
        store(dst[0], first + c * channels.inner,
              static_cast<int32_t>(std::clamp<int64_t>(result + to.zero, to.low, to.high)));
      }
    });
  });
}

/// By the two operators that it stands for.
void gate_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const GateLevels levels(attrs);
  Tensor bytes(levels.dtype, src[0].dims);
  const View gate[] = {{levels.dtype, src[0].dims, bytes.mutable_data(), &levels.meaning}};
  requantize_levels(attrs, src, gate);
  Attrs plain = attrs;
  plain.set("activation", std::string("none"));
  const View both[] = {src[0], gate[0]};
  multiply_levels(plain, both, dst);
}

void requantize_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const auto table = level_table(ActivationOf(attrs), src[0].dtype, meaning(src[0]), dst[0].dtype, meaning(dst[0]));
  for (int64_t i = 0, count = src[0].elements(); i < count; ++i)
    dst[0].data[i] = static_cast<std::byte>(table[static_cast<size_t>(src[0].data[i])]);
}

}  // namespace tercel::inline kernels

#include "kernels/ref/convolve.h"
#include "kernels/ref/number.h"
#include "kernels/ref/pool.h"
#include "kernels/ref/ref.h"

namespace tercel::inline kernels {
namespace {

void conv(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const ConvGeometry geometry(attrs, src[0], src[1]);
  visit_float(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const View bias_view = operand(src, 2);
    const T* bias = bias_view ? bias_view.as<T>() : nullptr;
    T* out = dst[0].as<T>();
    convolve<double>(
        geometry, src[0].as<T>(), 0.0, src[1].as<T>(), [](int64_t) { return 0.0; },
        [&](int64_t first, int64_t o, const double* sums, int64_t count) {
          const double offset = bias != nullptr ? to_double(bias[o]) : 0.0;
          for (int64_t i = 0; i < count; ++i) out[first + i] = convert<T>(sums[i] + offset);
        });
  });
}

void conv_integer(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const ConvGeometry geometry(attrs, src[0], src[1]);
  visit_byte(src[0].dtype, [&](auto x_tag) {
    using X = typename decltype(x_tag)::type;
    visit_byte(src[1].dtype, [&](auto w_tag) {
      using W = typename decltype(w_tag)::type;
      int32_t* out = dst[0].as<int32_t>();
      convolve<int64_t>(geometry, src[0].as<X>(), ZeroPoint<X>(operand(src, 2))(0), src[1].as<W>(),
                        ZeroPoint<W>(operand(src, 3)), [&](int64_t first, int64_t, const int64_t* sums, int64_t count) {
                          for (int64_t i = 0; i < count; ++i) out[first + i] = static_cast<int32_t>(sums[i]);
                        });
    });
  });
}

/// Small index i that adds to big index `big` through tap k, or -1.
int64_t source_of(const Window& window, int64_t big, int64_t k) {
  const int64_t distance = big + window.pad_begin - k * window.dilation;
  if (distance < 0 || distance % window.stride != 0 || distance / window.stride >= window.input) return -1;
  return distance / window.stride;
}

template <typename T>
void conv_transpose_of(const Attrs& attrs, std::span<const View> src, const View& dst) {
  const View& x = src[0];
  const View& weights = src[1];  // c oc/group spatial
  const auto axes =
      as_3d(conv_transpose_windows(attrs, std::span(x.dims).subspan(2), std::span(weights.dims).subspan(2)));
  const Window& d = axes[0];
  const Window& h = axes[1];
  const Window& w = axes[2];
  if (dst.elements() == 0) return;
  const int64_t group = attrs.get_int("group");
  const int64_t ic = x.dims[1] / group;
  const int64_t oc = weights.dims[1];  // per group
  const View bias_view = operand(src, 2);
  const T* bias = bias_view ? bias_view.as<T>() : nullptr;
  T* out = dst.as<T>();
  parallel_for(x.dims[0] * oc * group, 1, [&](int64_t begin, int64_t end) {
    double sums[kRowPiece];
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t o = plane % (oc * group);
      const int64_t first_channel = o / oc * ic;
      const T* image = x.as<T>() + (plane / (oc * group) * x.dims[1] + first_channel) * d.input * h.input * w.input;
      for (int64_t row = 0; row < d.output * h.output; ++row) {
        for (int64_t piece = 0; piece < w.output; piece += kRowPiece) {
          const int64_t count = std::min(kRowPiece, w.output - piece);
          std::fill_n(sums, count, bias != nullptr ? to_double(bias[o]) : 0.0);
          for (int64_t i = 0; i < ic; ++i)
            for (int64_t kd = 0; kd < d.kernel; ++kd)
              for (int64_t kh = 0; kh < h.kernel; ++kh) {
                const int64_t z = source_of(d, row / h.output, kd);
                const int64_t y = source_of(h, row % h.output, kh);
                if (z < 0 || y < 0) continue;
                const T* in = image + ((i * d.input + z) * h.input + y) * w.input;
                const T* taps = weights.as<T>() +
                                ((((first_channel + i) * oc + o % oc) * d.kernel + kd) * h.kernel + kh) * w.kernel;
                for (int64_t kw = 0; kw < w.kernel; ++kw) {
                  const double tap = to_double(taps[kw]);
                  const int64_t shift = w.start(0) + kw * w.dilation - piece;
                  const Range range = steps_within(shift, w.stride, 0, count, w.input);
                  for (int64_t iw = range.begin; iw < range.end; ++iw)
                    sums[iw * w.stride + shift] += tap * to_double(in[iw]);
                }
              }
          T* place = out + (plane * d.output * h.output + row) * w.output + piece;
          for (int64_t i = 0; i < count; ++i) place[i] = convert<T>(sums[i]);
        }
      }
    }
  });
}

void conv_transpose(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  visit_float(src[0].dtype, [&](auto tag) { conv_transpose_of<typename decltype(tag)::type>(attrs, src, dst[0]); });
}

}  // namespace

std::vector<RefEntry> conv_refs() {
  std::vector<RefEntry> refs = {{"Conv", conv}, {"ConvInteger", conv_integer}, {"ConvTranspose", conv_transpose}};
  for (const RefEntry& entry : pool_refs()) refs.push_back(entry);
  return refs;
}

}  // namespace tercel::inline kernels

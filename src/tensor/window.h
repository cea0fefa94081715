// The sliding windows of convolutions and pools, one per spatial axis. Shape rules and kernels ask the same code, so a
// result always has the size that the kernel fills.
#pragma once

#include <array>

#include "tensor/attrs.h"
#include "tensor/shape.h"

namespace tercel::inline tensor {

/// Half-open.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

/// The i in [0, count) for which low <= first + i * step < high; step > 0.
Range steps_within(int64_t first, int64_t step, int64_t low, int64_t high, int64_t count);

/// One axis: tap k of output o reads input o * stride - pad_begin + k * dilation, and padding where that is outside.
/// For transposed convolution, read it backwards: input i adds to output i * stride - pad_begin + k * dilation.
struct Window {
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t pad_begin = 0;
  int64_t pad_end = 0;
  int64_t input = 1;
  int64_t output = 1;

  /// Inputs from first tap to last.
  int64_t reach() const { return (kernel - 1) * dilation + 1; }
  int64_t start(int64_t o) const { return o * stride - pad_begin; }
  /// Outputs whose tap k reads an input, not padding.
  Range outputs_reading(int64_t k) const { return steps_within(start(0) + k * dilation, stride, 0, input, output); }
  /// Taps of output o that read an input, not padding.
  Range taps(int64_t o) const { return steps_within(start(o), dilation, 0, input, kernel); }
  bool operator==(const Window&) const = default;
};

/// Rows of the input that rows [begin, end) of the output read, both counted over a batch: row n * extent + y of
/// picture n. One range, so that rows between two pictures may be in it; empty where only padding is read.
Range source_rows(const Window& h, Range rows);

/// Windows of Conv and the pools from the attributes auto_pad, pads, strides, dilations and ceil_mode, each where it is
/// there. Extents may be kUnknown; what depends on them is kUnknown too (pads: 0). In ceil mode an output whose window
/// would start beyond the input and its left padding is dropped (ONNX since opset 19).
/// Throws Error for attributes of a wrong length or range, and for a kernel that does not fit, naming the axis.
std::vector<Window> conv_windows(const Attrs& attrs, std::span<const int64_t> input, std::span<const int64_t> kernel);

/// Windows of ConvTranspose (also output_padding, output_shape) and MaxUnpool; extents and errors as above.
std::vector<Window> conv_transpose_windows(const Attrs& attrs, std::span<const int64_t> input,
                                           std::span<const int64_t> kernel);

/// Output extents.
Dims outputs_of(std::span<const Window> windows);

/// The same windows with trivial axes put in front, so that one loop nest over d, h, w serves 1 to 3 axes.
std::array<Window, 3> as_3d(std::span<const Window> windows);

}  // namespace tercel::inline tensor

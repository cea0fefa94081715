#include "tensor/window.h"

#include <algorithm>

#include "base/bits.h"
#include "base/error.h"

namespace tercel::inline tensor {
namespace {

/// Kernel, stride, dilation and pad are at most this, so that products of two of them cannot overflow.
constexpr int64_t kMaxEntry = int64_t{1} << 30;

int64_t ceil_div(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

/// Entry `i` of an attribute of `count` integers, or `fallback` where the attribute is left out.
class Entries {
 public:
  Entries(const Attrs& attrs, std::string_view name, size_t count, int64_t fallback, int64_t lowest)
      : values_(attrs.has(name) ? attrs.get_ints(name) : Dims(count, fallback)) {
    if (values_.size() != count) fail_input("attribute '{}' has {} entries, expected {}", name, values_.size(), count);
    for (size_t i = 0; i < count; ++i)
      if (values_[i] < lowest || values_[i] > kMaxEntry)
        fail_input("attribute '{}'[{}] is {}, expected {} to {}", name, i, values_[i], lowest, kMaxEntry);
  }
  int64_t operator[](size_t i) const { return values_[i]; }

 private:
  Dims values_;
};

enum class AutoPad { none, same_upper, same_lower, valid };

AutoPad auto_pad_of(const Attrs& attrs) {
  if (!attrs.has("auto_pad")) return AutoPad::none;
  const std::string& word = attrs.get_string("auto_pad");
  if (word == "NOTSET" || word.empty()) return AutoPad::none;
  if (word == "SAME_UPPER") return AutoPad::same_upper;
  if (word == "SAME_LOWER") return AutoPad::same_lower;
  if (word == "VALID") return AutoPad::valid;
  fail_input("attribute 'auto_pad' is '{}', expected NOTSET, SAME_UPPER, SAME_LOWER or VALID", word);
}

/// Everything but input, output and what they decide.
std::vector<Window> bare_windows(const Attrs& attrs, std::span<const int64_t> input, std::span<const int64_t> kernel,
                                 AutoPad auto_pad) {
  const size_t axes = kernel.size();
  TERCEL_CHECK(input.size() == axes, "{} input extents, {} kernel extents", input.size(), axes);
  const Entries strides(attrs, "strides", axes, 1, 1);
  const Entries dilations(attrs, "dilations", axes, 1, 1);
  const Entries pads(auto_pad == AutoPad::none ? attrs : Attrs(), "pads", 2 * axes, 0, 0);
  std::vector<Window> windows(axes);
  for (size_t i = 0; i < axes; ++i) {
    if (kernel[i] != kUnknown && (kernel[i] < 1 || kernel[i] > kMaxEntry))
      fail_input("kernel extent {} along spatial axis {}, expected 1 to {}", kernel[i], i, kMaxEntry);
    if (input[i] > kMaxElements) fail(ErrorCode::limit, "extent {} along spatial axis {} is too large", input[i], i);
    windows[i] = {kernel[i], strides[i], dilations[i], pads[i], pads[axes + i], input[i], kUnknown};
  }
  return windows;
}

/// Half of the padding on each side; SAME_UPPER puts the odd one at the end, SAME_LOWER at the beginning.
void split_pads(Window& window, int64_t total, bool odd_at_end) {
  total = std::max<int64_t>(total, 0);
  window.pad_begin = odd_at_end ? total / 2 : total - total / 2;
  window.pad_end = total - window.pad_begin;
}

}  // namespace

Range steps_within(int64_t first, int64_t step, int64_t low, int64_t high, int64_t count) {
  const int64_t begin = std::clamp<int64_t>(ceil_div(low - first, step), 0, count);
  return {begin, std::clamp<int64_t>(ceil_div(high - first, step), begin, count)};
}

Range source_rows(const Window& h, Range rows) {
  if (rows.size() <= 0) return {0, 0};
  const auto row = [&](int64_t r, int64_t after_start) {
    return r / h.output * h.input + std::clamp<int64_t>(h.start(r % h.output) + after_start, 0, h.input);
  };
  const int64_t begin = row(rows.begin, 0);
  return {begin, std::max(begin, row(rows.end - 1, h.reach()))};
}

std::vector<Window> conv_windows(const Attrs& attrs, std::span<const int64_t> input, std::span<const int64_t> kernel) {
  const AutoPad auto_pad = auto_pad_of(attrs);
  const bool same = auto_pad == AutoPad::same_upper || auto_pad == AutoPad::same_lower;
  const bool ceil = auto_pad == AutoPad::none && attrs.has("ceil_mode") && attrs.get_bool("ceil_mode");
  std::vector<Window> windows = bare_windows(attrs, input, kernel, auto_pad);
  for (size_t i = 0; i < windows.size(); ++i) {
    Window& w = windows[i];
    if (w.input == kUnknown) continue;
    if (same) {
      w.output = div_up(w.input, w.stride);
      if (w.kernel != kUnknown)
        split_pads(w, (w.output - 1) * w.stride + w.reach() - w.input, auto_pad == AutoPad::same_upper);
      continue;
    }
    if (w.kernel == kUnknown) continue;
    const int64_t room = w.input + w.pad_begin + w.pad_end - w.reach();
    if (room < 0)
      fail_input(
          "a window over {} (kernel {}, dilation {}) does not fit spatial axis {} of extent {} with padding {}+{}",
          w.reach(), w.kernel, w.dilation, i, w.input, w.pad_begin, w.pad_end);
    w.output = (ceil ? div_up(room, w.stride) : room / w.stride) + 1;
    if (ceil && w.output > 1 && w.start(w.output - 1) >= w.input) --w.output;
  }
  return windows;
}

std::vector<Window> conv_transpose_windows(const Attrs& attrs, std::span<const int64_t> input,
                                           std::span<const int64_t> kernel) {
  const AutoPad auto_pad = auto_pad_of(attrs);
  const bool same = auto_pad == AutoPad::same_upper || auto_pad == AutoPad::same_lower;
  const bool given = attrs.has("output_shape");
  std::vector<Window> windows = bare_windows(attrs, input, kernel, auto_pad);
  const Entries extra(attrs, "output_padding", windows.size(), 0, 0);
  const Entries wanted(attrs, "output_shape", windows.size(), 0, 0);
  for (size_t i = 0; i < windows.size(); ++i) {
    Window& w = windows[i];
    if (given) w.output = wanted[i];
    if (w.input == kUnknown || w.kernel == kUnknown) continue;
    if (w.input > 0 && w.stride > kMaxElements / w.input)
      fail(ErrorCode::limit, "extent {} times stride {} along spatial axis {} is too large", w.input, w.stride, i);
    if (!given && same) w.output = w.input * w.stride;
    const int64_t full = w.stride * (w.input - 1) + w.reach() + extra[i];  // all that any tap touches
    if (given || same) {
      split_pads(w, full - w.output, auto_pad == AutoPad::same_upper);
    } else {
      w.output = full - w.pad_begin - w.pad_end;
      if (w.input == 0) w.output = std::max<int64_t>(w.output, 0);
      if (w.output < 0 || (w.output == 0 && w.input > 0))
        fail_input("padding {}+{} leaves nothing of {} along spatial axis {}", w.pad_begin, w.pad_end, full, i);
    }
  }
  return windows;
}

Dims outputs_of(std::span<const Window> windows) {
  Dims outputs;
  for (const Window& window : windows) outputs.push_back(window.output);
  return outputs;
}

std::array<Window, 3> as_3d(std::span<const Window> windows) {
  TERCEL_CHECK(windows.size() <= 3, "{} spatial axes", windows.size());
  std::array<Window, 3> axes;
  std::copy(windows.begin(), windows.end(), axes.end() - static_cast<std::ptrdiff_t>(windows.size()));
  return axes;
}

}  // namespace tercel::inline tensor

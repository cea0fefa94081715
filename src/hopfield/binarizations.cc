#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "base/threads.h"
#include "hopfield/binarization.h"

namespace tercel::inline hopfield {

std::span<const Binarization> all_binarizations() {
  static const std::array methods{zero_threshold(), median_threshold(), walsh_hadamard(), iterative_quantization()};
  return methods;
}

const Binarization& find_binarization(std::string_view name) {
  std::string known;
  for (const Binarization& method : all_binarizations()) {
    if (method.name == name) return method;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", method.name);
  }
  fail_input("there is no binarization '{}': wanted one of {}", name, known);
}

Binarizer one_bit_a_feature(const FeatureRows& rows, const BinarizationOptions& options) {
  check_finite(rows);
  if (options.bits != 0 && options.bits != rows.width)
    fail_input("{} bits of {} features: this binarization gives one a feature; hadamard gives any number", options.bits,
               rows.width);
  return {.inputs = rows.width, .bits = rows.width};
}

void hadamard_transform(std::span<float> values) {
  TERCEL_CHECK(std::has_single_bit(values.size()));
  for (size_t half = 1; half < values.size(); half *= 2)
    for (size_t start = 0; start < values.size(); start += 2 * half)
      for (size_t i = start; i < start + half; ++i) {
        const float a = values[i], b = values[i + half];
        values[i] = a + b;
        values[i + half] = a - b;
      }
}

std::vector<float> Binarizer::project(const FeatureRows& rows) const {
  TERCEL_CHECK(rows.width == inputs);
  const auto in = static_cast<size_t>(inputs), out = static_cast<size_t>(bits), pad = static_cast<size_t>(padded);
  std::vector<float> y(static_cast<size_t>(rows.count()) * out);
  parallel_for(rows.count(), 4, [&](int64_t begin, int64_t end) {
    std::vector<float> x(in), block(pad);
    for (int64_t r = begin; r < end; ++r) {
      float* to = y.data() + static_cast<size_t>(r) * out;
      for (size_t i = 0; i < in; ++i) x[i] = rows.row(r)[i] - (shift.empty() ? 0.0f : shift[i]);
      if (!matrix.empty()) {
        for (size_t i = 0; i < in; ++i)
          for (size_t j = 0; j < out; ++j) to[j] += x[i] * matrix[i * out + j];
      } else if (!signs.empty()) {
        for (size_t done = 0, b = 0; done < out; done += pad, ++b) {
          for (size_t i = 0; i < pad; ++i) block[i] = i < in ? x[i] * signs[b * pad + i] : 0.0f;
          hadamard_transform(block);
          std::copy_n(block.begin(), std::min(pad, out - done), to + done);
        }
      } else {
        std::copy(x.begin(), x.end(), to);
      }
    }
  });
  return y;
}

size_t Binarizer::bytes() const { return 4 * (shift.size() + matrix.size()) + (signs.size() + 7) / 8; }

}  // namespace tercel::inline hopfield

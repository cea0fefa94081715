#include "codec/kernel_basis.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace tercel::codec {
namespace {

constexpr size_t kQuad = 4;  // rows of entries are padded to whole quads: loops of fixed length, kept in registers
constexpr size_t kMostQuads = (KernelBasis::kMostSize + kQuad - 1) / kQuad;

template <size_t kQuads>
void transform(const float* rows, size_t size, std::span<float> kernels) {
  constexpr size_t kPadded = kQuads * kQuad;
  for (float* kernel = kernels.data(); kernel != kernels.data() + kernels.size(); kernel += size) {
    std::array<float, kPadded> sums{};
    for (size_t i = 0; i < size; ++i)
      for (size_t j = 0; j < kPadded; ++j) sums[j] += kernel[i] * rows[i * kPadded + j];
    std::copy_n(sums.begin(), size, kernel);
  }
}

using Transform = void (*)(const float*, size_t, std::span<float>);

constexpr auto kTransforms = []<size_t... kLess>(std::index_sequence<kLess...>) {
  return std::array<Transform, kMostQuads>{&transform<kLess + 1>...};
}
(std::make_index_sequence<kMostQuads>());

}  // namespace

void inverse_transform(const KernelBasis& basis, std::span<float> kernels) {
  const auto size = static_cast<size_t>(basis.size);
  TERCEL_CHECK(size > 0 && basis.size <= KernelBasis::kMostSize && basis.entries.size() == size * size);
  TERCEL_CHECK(kernels.size() % size == 0);
  const size_t quads = (size + kQuad - 1) / kQuad, padded = quads * kQuad;
  std::vector<float> rows(size * padded);
  for (size_t i = 0; i < size; ++i)
    for (size_t j = 0; j < size; ++j)
      rows[i * padded + j] = static_cast<float>(basis.entries[i * size + j]) / KernelBasis::kOne;
  kTransforms[quads - 1](rows.data(), size, kernels);
}

}  // namespace tercel::codec

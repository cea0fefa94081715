#include "passes/linear_weights.h"

#include <memory>

#include "passes/match.h"
#include "tensor/element_source.h"

namespace tercel::inline passes {
namespace {

bool transposes(const Node& linear, std::string_view attr) {
  return !linear.is("MatMul") && linear.attrs.get_bool(attr);
}

constexpr int64_t kWorthAThread = 1 << 16;  // elements

/// result[c] = sum over rows r of factor[r] m[r, c]. Columns are shared out, so that each is summed in one order.
std::vector<double> sum_of_rows(const Floats& m, int64_t columns, const std::vector<double>& factor) {
  const auto rows = static_cast<int64_t>(factor.size());
  std::vector<double> sums(static_cast<size_t>(columns), 0.0);
  parallel_for(columns, 1 + kWorthAThread / (rows + 1), [&](int64_t begin, int64_t end) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {  // so that a sum is fetched and put back once for four rows
      const double* f = factor.data() + r;
      for (int64_t c = begin; c < end; ++c) {
        const int64_t at = r * columns + c;
        sums[static_cast<size_t>(c)] +=
            (f[0] * m[at] + f[1] * m[at + columns]) + (f[2] * m[at + 2 * columns] + f[3] * m[at + 3 * columns]);
      }
    }
    for (; r < rows; ++r)
      for (int64_t c = begin; c < end; ++c)
        sums[static_cast<size_t>(c)] += factor[static_cast<size_t>(r)] * m[r * columns + c];
  });
  return sums;
}

/// result[r] = sum over columns c of factor[c] m[r, c].
std::vector<double> sum_along_rows(const Floats& m, int64_t rows, const std::vector<double>& factor) {
  constexpr int64_t kSums = 8;  // that do not wait for each other
  const auto columns = static_cast<int64_t>(factor.size());
  std::vector<double> result(static_cast<size_t>(rows));
  parallel_for(rows, 1 + kWorthAThread / (columns + 1), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      double sums[kSums] = {};
      int64_t c = 0;
      for (; c + kSums <= columns; c += kSums)
        for (int64_t i = 0; i < kSums; ++i) sums[i] += factor[static_cast<size_t>(c + i)] * m[r * columns + c + i];
      for (; c < columns; ++c) sums[0] += factor[static_cast<size_t>(c)] * m[r * columns + c];
      double total = 0;
      for (double sum : sums) total += sum;
      result[static_cast<size_t>(r)] = total;
    }
  });
  return result;
}

}  // namespace

Tensor edited_later(const Tensor& before, double bound, std::function<void(float* elements)> edit) {
  const auto make = [before, edit = std::move(edit)](std::byte* to) {
    before.move_elements(to);
    edit(reinterpret_cast<float*>(to));
  };
  const float largest = fits_f32(bound) ? static_cast<float>(bound) : std::numeric_limits<float>::infinity();
  return {DType::f32, before.dims(), std::make_shared<ElementSource>(before.bytes(), make, largest)};
}

bool LinearWeights::readable(const Node& linear) {
  return is_f32_constant(linear.input(1)) && linear.input(1)->type.dims.size() == 2 && !transposes(linear, "transA");
}

LinearWeights::LinearWeights(const Node& linear)
    : LinearWeights(linear.input(1)->constant, transposes(linear, "transB")) {}

LinearWeights::LinearWeights(Tensor tensor, bool transposed) : tensor_(std::move(tensor)), transposed_(transposed) {
  k_ = tensor_.dims()[transposed_ ? 1 : 0];
  n_ = tensor_.dims()[transposed_ ? 0 : 1];
}

std::vector<double> LinearWeights::weighted_sum(const std::vector<double>& factor) const {
  return transposed_ ? sum_along_rows(Floats(tensor_), n_, factor) : sum_of_rows(Floats(tensor_), n_, factor);
}

std::vector<double> LinearWeights::output_mean() const {
  const std::vector<double> ones(static_cast<size_t>(n_), 1.0);
  std::vector<double> means =
      transposed_ ? sum_of_rows(Floats(tensor_), k_, ones) : sum_along_rows(Floats(tensor_), k_, ones);
  for (double& mean : means) mean /= static_cast<double>(n_);
  return means;
}

Tensor rounded(const std::vector<double>& values, Dims dims) {
  return Tensor::of<float>(std::move(dims), std::vector<float>(values.begin(), values.end()));
}

}  // namespace tercel::inline passes

#include "passes/linear_weights.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>

#include "passes/match.h"
#include "tensor/element_source.h"

namespace tercel::inline passes {
namespace {

bool transposes(const Node& linear, std::string_view attr) {
  return !linear.is("MatMul") && linear.attrs.get_bool(attr);
}

constexpr int64_t kWorthAThread = 1 << 16;  // elements

std::vector<double> sums_of_rows(const std::byte* m, int64_t columns, int64_t stride,
                                 const std::vector<double>& factor) {
  const auto rows = static_cast<int64_t>(factor.size());
  std::vector<double> sums(static_cast<size_t>(columns));
  parallel_for(columns, 1 + kWorthAThread / (rows + 1),
               [&](int64_t begin, int64_t end) { sum_rows(m, stride, rows, begin, end, factor.data(), sums.data()); });
  return sums;
}

std::vector<double> sums_along_rows(const std::byte* m, int64_t rows, int64_t stride,
                                    const std::vector<double>& factor) {
  const auto columns = static_cast<int64_t>(factor.size());
  std::vector<double> sums(static_cast<size_t>(rows));
  parallel_for(rows, 1 + kWorthAThread / (columns + 1), [&](int64_t begin, int64_t end) {
    sum_along_rows(m, stride, begin, end, columns, factor.data(), sums.data());
  });
  return sums;
}

float as_float(double bound) {
  return fits_f32(bound) ? static_cast<float>(bound) : std::numeric_limits<float>::infinity();
}

}  // namespace

Tensor edited_later(const Tensor& before, double bound, std::function<void(float* elements)> edit) {
  const auto make = [before, edit = std::move(edit)](std::byte* to) {
    before.move_elements(to);
    edit(reinterpret_cast<float*>(to));
  };
  return {DType::f32, before.dims(), std::make_shared<ElementSource>(before.bytes(), make, as_float(bound))};
}

namespace {

/// An edit of a matrix, and what it has looked at.
struct MatrixEdit {
  const Tensor before;
  const bool transposed;
  const LinearWeights::Edit edit;
  std::once_flag looked;

  MatrixEdit(Tensor b, bool t, LinearWeights::Edit e) : before(std::move(b)), transposed(t), edit(std::move(e)) {}

  int64_t k() const { return before.dims()[transposed ? 1 : 0]; }
  int64_t n() const { return before.dims()[transposed ? 0 : 1]; }

  /// The part of a matrix whose rows are `stride` apart in memory, its first element at `elements`.
  void apply(float* elements, int64_t first, int64_t count, int64_t stride) const {
    edit.edit(OutputsPart(elements, k(), first, count, stride, transposed));
  }

  /// All of them, at `to`: as many outputs at a time as stay in the cache from one step of the edit to the next.
  void make(float* to) {
    before.move_elements(reinterpret_cast<std::byte*>(to));
    look(Tensor(DType::f32, before.dims(), reinterpret_cast<const std::byte*>(to), nullptr));
    const int64_t some = 1 + kWorthAThread / (k() + 1);
    parallel_for(div_up(n(), some), 1, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin * some; first < std::min(n(), end * some); first += some)
        apply(to + first * (transposed ? k() : 1), first, std::min(some, n() - first), transposed ? k() : n());
    });
  }

  void look(const Tensor& weights) {
    if (edit.look != nullptr) std::call_once(looked, [&] { edit.look(LinearWeights(weights, transposed)); });
  }

  /// What copies the weights of some outputs, as they are before the edit.
  MakeSlice before_slices() const {
    if (MakeSlice made = slices(before, transposed ? 0 : 1)) return made;
    before.data();  // held by `before` until it is released: the copy alone would be made again for every kernel
    return [held = before, transposed = transposed, k = k(), n = n()](int64_t begin, int64_t end, std::byte* to) {
      constexpr auto kSize = static_cast<int64_t>(sizeof(float));
      const std::byte* from = held.data();
      if (transposed) std::memcpy(to, from + begin * k * kSize, static_cast<size_t>((end - begin) * k * kSize));
      else
        for (int64_t i = 0; i < k; ++i)
          std::memcpy(to + i * (end - begin) * kSize, from + (i * n + begin) * kSize,
                      static_cast<size_t>((end - begin) * kSize));
    };
  }
};

}  // namespace

Tensor LinearWeights::edited_later(double bound, Edit edit) const {
  const auto all = std::make_shared<MatrixEdit>(tensor_, transposed_, std::move(edit));
  const auto make = [all](std::byte* to) { all->make(reinterpret_cast<float*>(to)); };
  const auto slices = [all]() -> MakeSlice {
    if (all->edit.look != nullptr) all->look(all->before);
    return [all, from = all->before_slices()](int64_t begin, int64_t end, std::byte* to) {
      from(begin, end, to);
      all->apply(reinterpret_cast<float*>(to), begin, end - begin, all->transposed ? all->k() : end - begin);
    };
  };
  return {DType::f32, tensor_.dims(),
          std::make_shared<ElementSource>(
              tensor_.bytes(), make, as_float(bound),
              ElementSource::Slices{transposed_ ? 0 : 1, slices, [all] { all->before.release(); }})};
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
  return transposed_ ? sums_along_rows(tensor_.data(), n_, k_, factor) : sums_of_rows(tensor_.data(), n_, n_, factor);
}

std::vector<double> OutputsPart::weighted_sum(const std::vector<double>& factor) const {
  const auto* m = reinterpret_cast<const std::byte*>(elements_);
  return transposed_ ? sums_along_rows(m, count_, stride_, factor) : sums_of_rows(m, count_, stride_, factor);
}

EditedRows OutputsPart::rows() const {
  return {elements_, transposed_ ? count_ : k_, transposed_ ? k_ : count_, stride_};
}

void OutputsPart::scale_inputs(const std::vector<double>& factor) const {
  (transposed_ ? scale_columns : scale_rows)(rows(), factor.data());
}

void OutputsPart::subtract_from_inputs(const std::vector<double>& by) const {
  (transposed_ ? subtract_from_columns : subtract_from_rows)(rows(), by.data());
}

void OutputsPart::subtract_from_outputs(const std::vector<double>& by) const {
  (transposed_ ? subtract_from_rows : subtract_from_columns)(rows(), by.data());
}

std::vector<double> LinearWeights::output_mean() const {
  const std::vector<double> ones(static_cast<size_t>(n_), 1.0);
  std::vector<double> means =
      transposed_ ? sums_of_rows(tensor_.data(), k_, k_, ones) : sums_along_rows(tensor_.data(), k_, n_, ones);
  for (double& mean : means) mean /= static_cast<double>(n_);
  return means;
}

Tensor rounded(const std::vector<double>& values, Dims dims) {
  return Tensor::of<float>(std::move(dims), std::vector<float>(values.begin(), values.end()));
}

}  // namespace tercel::inline passes

// Constant weights of matrix products, looked at as k inputs by n outputs whichever way they lie, and edited in double.
// Edits make new tensors: exporters let several nodes share one initialiser.
#pragma once

#include <vector>

#include "base/bits.h"
#include "graph/graph.h"

namespace tercel {

/// Elements of a constant f32 tensor of any alignment.
class Floats {
 public:
  explicit Floats(const Tensor& tensor) : data_(tensor.data()) {}
  double operator[](int64_t i) const {
    return static_cast<double>(load_unaligned<float>(data_ + i * static_cast<int64_t>(sizeof(float))));
  }

 private:
  const std::byte* data_;
};

/// The matrix of MatMul, Gemm or FusedMatMul, k x n: y = x W.
class LinearWeights {
 public:
  /// Is operand 1 a constant f32 matrix, and operand 0 not transposed?
  static bool readable(const Node& linear);
  /// Of a readable node.
  explicit LinearWeights(const Node& linear);

  int64_t inputs() const { return k_; }
  int64_t outputs() const { return n_; }

  /// result[j] = sum over inputs i of factor[i] W[i, j], in the order of memory.
  std::vector<double> weighted_sum(const std::vector<double>& factor) const;
  /// result[i] = mean over outputs of W[i, j].
  std::vector<double> output_mean() const;

  /// f(i, j, W[i, j]) in place of every element.
  template <typename F>
  Tensor edited(F&& f) const {
    Tensor out(DType::f32, tensor_.dims());
    auto* to = reinterpret_cast<float*>(out.mutable_data());
    for_each([&](int64_t place, int64_t i, int64_t j, double w) { to[place] = static_cast<float>(f(i, j, w)); });
    return out;
  }

  /// f(place in memory, i, j, W[i, j]) for every element, in the order of memory.
  template <typename F>
  void for_each(F&& f) const {
    const Floats from(tensor_);
    int64_t place = 0;
    for (int64_t row = 0; row < (transposed_ ? n_ : k_); ++row)
      for (int64_t column = 0; column < (transposed_ ? k_ : n_); ++column, ++place)
        f(place, transposed_ ? column : row, transposed_ ? row : column, from[place]);
  }

 private:
  Tensor tensor_;
  bool transposed_;
  int64_t k_, n_;
};

/// A vector of doubles, rounded once.
Tensor rounded(const std::vector<double>& values, Dims dims);

}  // namespace tercel

// The linear layers of a network, seen as matrices: rows are output channels, columns are what one output sums over.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codec/kernel_basis.h"
#include "graph/graph.h"
#include "tensor/window.h"
#include "tercel/array.h"

namespace tercel::inline quant {

/// One node that multiplies its input by a constant. The matrix is the weights' own elements: row-major as they lie, or
/// `transposed` where the rows are the last axis (MatMul, Gemm without transB).
struct LinearSite {
  const Node* node = nullptr;
  std::string weights, input, output, bias;  ///< value names; bias is empty where there is none or it is no constant
  int64_t rows = 0, columns = 0;             ///< columns of one group
  int64_t groups = 1;                        ///< rows r * groups / rows ... share one input
  bool transposed = false;
  // Convolutions: columns are ic / groups x kh x kw. Products: kernel 1x1.
  bool conv = false;
  int64_t kernel_height = 1, kernel_width = 1;
  /// Of convolutions whose weights are coefficients: its inputs are then transformed too, so that products stay
  /// the same.
  std::shared_ptr<const codec::KernelBasis> basis;
};

/// Conv (two spatial axes), Gemm and MatMul with constant f32 weights, in running order. Weights that several nodes
/// read stand once for each, if all see the same matrix in them; else (one reads them transposed) not at all.
std::vector<LinearSite> find_linear_sites(const Graph& graph);

/// Rows of floats: for each output position of the node, the inputs its sum runs over, group by group. `input` is what
/// the node reads (n c h w, or any rank with the inner axis last); at most `most` positions are taken, evenly spread.
/// rows(group)[position * columns + column].
class InputRows {
 public:
  InputRows(const LinearSite& site, const Dims& dims, int64_t most);
  int64_t count() const { return count_; }
  int64_t positions() const { return positions_; }  ///< of the node's output: pixels of all pictures, or rows
  /// The position that row i of gather() belongs to.
  int64_t position(int64_t i) const { return count_ == positions_ ? i : (2 * i + 1) * positions_ / (2 * count_); }
  /// Writes columns first .. first + number - 1 of every position (whole kernels where the site has a basis):
  /// dst[position * number + column - first].
  void gather(const float* input, int64_t group, int64_t first, int64_t number, float* dst) const;

 private:
  const LinearSite& site_;
  int64_t channels_ = 0;
  std::vector<Window> windows_;  ///< of convolutions: height, width
  int64_t positions_ = 0, count_ = 0;
};

/// A layer's output (or its gradient, or a value of the same shape made from it), by position and row.
class OutputRows {
 public:
  OutputRows(const LinearSite& site, const Array& output);
  float at(int64_t position, int64_t row) const {
    if (pixels_ == 0) return data_[position * rows_ + row];
    return data_[(position / pixels_ * rows_ + row) * pixels_ + position % pixels_];
  }

 private:
  const float* data_;
  int64_t rows_, pixels_ = 0;
};

}  // namespace tercel::inline quant

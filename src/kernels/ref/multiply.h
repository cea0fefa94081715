// The loop nest of matrix products, for every element type that multiplies.
#pragma once

#include <algorithm>
#include <array>

#include "base/threads.h"
#include "kernels/ref/broadcast.h"
#include "kernels/ref/number.h"
#include "tensor/view.h"

namespace tercel::inline kernels {

/// NumPy's matmul with optional transposition of the last two axes: where each batch's matrices begin, and their
/// strides.
struct MatmulGeometry {
  int64_t batches = 0, m = 1, k = 1, n = 1;
  int64_t a_row = 0, a_k = 1, b_k = 1, b_col = 0;  // strides in elements
  Dims batch;                                      // batch axes of the result
  std::vector<int64_t> a_base, b_base;             // first element, per batch

  MatmulGeometry(const View& a, const View& b, const Dims& result, bool trans_a = false, bool trans_b = false) {
    const size_t a_rank = a.dims.size();
    const size_t b_rank = b.dims.size();
    if (count_elements(result) == 0) return;
    k = a.dims[a_rank - 1];
    if (a_rank >= 2) {
      m = a.dims[a_rank - 2];
      a_row = k;
      if (trans_a) {
        std::swap(m, k);
        a_row = 1;
        a_k = m;
      }
    }
    if (b_rank >= 2) {
      n = b.dims[b_rank - 1];
      b_k = n;
      b_col = 1;
      if (trans_b) {
        n = b.dims[b_rank - 2];
        b_k = 1;
        b_col = k;
      }
    }
    batch.assign(result.begin(), result.end() - (a_rank >= 2 ? 1 : 0) - (b_rank >= 2 ? 1 : 0));
    batches = count_elements(batch);
    const auto batch_strides = [&](const View& view) {
      const size_t rank = view.dims.size() < 2 ? 0 : view.dims.size() - 2;
      Dims strides = broadcast_strides(std::span(view.dims).first(rank), batch);
      for (int64_t& stride : strides)
        if (rank > 0) stride *= view.dims[rank] * view.dims[rank + 1];
      return strides;
    };
    const std::array strides{batch_strides(a), batch_strides(b)};
    walk(batch, strides, [&](int64_t, const auto& at) {
      a_base.push_back(at[0]);
      b_base.push_back(at[1]);
    });
  }
};

/// Results are summed in pieces of a row that fit the stack: nothing is allocated inside a parallel loop.
inline constexpr int64_t kColumnPiece = 512;

/// For every piece of a result row, in any order and from several threads: finish(first element of the result, first
/// column, sums, count), where sums are over k of (a - a_zero(batch, row)) * (b - b_zero(batch, column)).
template <typename Acc, typename A, typename B, typename AZero, typename BZero, typename Finish>
void multiply(const MatmulGeometry& p, const A* a, AZero&& a_zero, const B* b, BZero&& b_zero, Finish&& finish) {
  const int64_t pieces = (p.n + kColumnPiece - 1) / kColumnPiece;
  parallel_for(p.batches * p.m * pieces, 1, [&](int64_t begin, int64_t end) {
    Acc sums[kColumnPiece];
    Acc zeros[kColumnPiece];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item / pieces % p.m;
      const int64_t batch = item / pieces / p.m;
      const int64_t col = item % pieces * kColumnPiece;
      const int64_t count = std::min(kColumnPiece, p.n - col);
      const A* left = a + p.a_base[static_cast<size_t>(batch)] + row * p.a_row;
      const B* right = b + p.b_base[static_cast<size_t>(batch)] + col * p.b_col;
      const Acc left_zero = a_zero(batch, row);
      for (int64_t j = 0; j < count; ++j) zeros[j] = b_zero(batch, col + j);
      std::fill_n(sums, count, Acc{});
      for (int64_t i = 0; i < p.k; ++i) {
        const Acc factor = static_cast<Acc>(left[i * p.a_k]) - left_zero;
        const B* b_row = right + i * p.b_k;
        if (p.b_col == 1)
          for (int64_t j = 0; j < count; ++j) sums[j] += factor * (static_cast<Acc>(b_row[j]) - zeros[j]);
        else
          for (int64_t j = 0; j < count; ++j) sums[j] += factor * (static_cast<Acc>(b_row[j * p.b_col]) - zeros[j]);
      }
      finish((batch * p.m + row) * p.n + col, col, sums, count);
    }
  });
}

/// For floats and for integers that wrap: no zero points.
template <typename Acc, typename T, typename Finish>
void multiply(const MatmulGeometry& p, const T* a, const T* b, Finish&& finish) {
  const auto none = [](int64_t, int64_t) { return Acc{}; };
  multiply<Acc>(p, a, none, b, none, finish);
}

/// A zero point (or scale) of the left operand, spread out: one for all, one per row (1-D), or one per batch and row
/// (... m 1). Of the right operand the same by column (... 1 n). 0 where it is left out.
template <typename T>
class PerLine {
 public:
  static PerLine rows(const View& view, const MatmulGeometry& p) { return PerLine(view, p, p.m, 1); }
  static PerLine columns(const View& view, const MatmulGeometry& p) { return PerLine(view, p, p.n, 2); }

  T operator()(int64_t batch, int64_t line) const { return values_[static_cast<size_t>(batch * lines_ + line)]; }

 private:
  /// `flat_axis`, counted from the end, is the one that has extent 1.
  PerLine(const View& view, const MatmulGeometry& p, int64_t lines, std::ptrdiff_t flat_axis) : lines_(lines) {
    Dims grid = p.batch;
    grid.push_back(lines);
    values_.resize(static_cast<size_t>(count_elements(grid)), T{});
    if (!view || p.batches == 0) return;
    Dims dims = view.dims;
    if (dims.size() >= 2) dims.erase(dims.end() - flat_axis);
    const std::array strides{broadcast_strides(dims, grid)};
    visit_number(view.dtype, [&](auto tag) {  // scales may be half floats where T is float
      using S = typename decltype(tag)::type;
      walk(grid, strides, [&](int64_t i, const auto& at) {
        values_[static_cast<size_t>(i)] = static_cast<T>(static_cast<Compute<S>>(view.as<S>()[at[0]]));
      });
    });
  }

  int64_t lines_;
  std::vector<T> values_;
};

}  // namespace tercel::inline kernels

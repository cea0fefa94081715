// A 3 x 3 convolution cut into Winograd tiles: sizes, what it would cost, and how far its rounding may go.
#pragma once

#include <string>

#include "kernels/simd/conv_operands.h"
#include "kernels/simd/gemm.h"

namespace tercel::inline kernels {

/// Tile forms there are: outputs a side.
inline constexpr int kWinogradForms[] = {2, 4};

/// Where everything lies for tiles of `out` x `out` outputs. Tiles are worked on block by block, channels chunk by
/// chunk and positions row by row, so that what is read again lies in L2.
struct WinogradSizes {
  int out, tile, positions;
  int64_t tiles_h, tiles_w, tiles;  ///< of all images together
  int64_t blocks, block;            ///< `block`: tiles of the largest
  int64_t chunks, chunk;            ///< channels
  int64_t panels, columns;
  bool by_block;  ///< threads share out blocks, else the panels of one block after the other
  // Floats from one position to the next, and all in all.
  int64_t input_stride, weight_stride, product_stride;
  int64_t input_floats, weight_floats, product_floats;

  WinogradSizes(const ConvSizes& g, int out, const Isa& isa, int threads);
  int64_t first_tile(int64_t block_index) const { return tiles * block_index / blocks; }
};

/// How far rounding may move a result, as part of what inputs of the largest magnitude could give with kernels of the
/// largest magnitude: u * sqrt(additions) * error_growth, for any weights. The square root: roundings are independent
/// of each other more often than not (Higham, Mary, "A new approach to probabilistic rounding error analysis", SIAM J.
/// Sci. Comput. 41(5), 2019).
double winograd_error(int out, int64_t channels);

/// Layers whose error may be larger refuse the form.
inline constexpr double kWinogradErrorLimit = 5e-4;

/// Time of one run on one thread, in multiply-adds of a vector. However many threads there are: the choice between
/// forms must not depend on them, for answers do not.
double direct_cost(const ConvSizes& g, const Isa& isa);
double winograd_cost(const ConvSizes& g, int out, const Isa& isa);

}  // namespace tercel::inline kernels

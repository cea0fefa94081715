// Checks of a design point; its text and JSON forms are in tercel/fpga.h.
#pragma once

#include <span>

#include "fpga/board.h"
#include "fpga/layer_shape.h"
#include "tercel/fpga.h"

namespace tercel::inline fpga {

/// Throws Error naming the field and what it may be.
void check(const DesignPoint& point);

/// Words that a layer needs in the conv stage's weight buffer (0: weights of a single position stream through) and in
/// each window buffer.
struct BufferNeeds {
  int64_t weight_words = 0, window_words = 0;
};
BufferNeeds buffer_needs(const LayerShape& layer, const DesignPoint& point);

/// Throws Error naming the layer, what it needs and what to change.
void check_fits(const LayerShape& layer, const DesignPoint& point);

/// `point` with buffers that hold every layer, in powers of two, and with its clock, where it leaves them open. Throws
/// Error naming the layer that its own buffers are too small for.
DesignPoint completed(DesignPoint point, std::span<const LayerShape> layers, const Board& board);

}  // namespace tercel::inline fpga

// The engine's operators where their operands are levels; the float forms hand over to these.
#pragma once

#include "kernels/ref/ref.h"

namespace tercel::inline kernels {

void conv_of_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst);
void matmul_of_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst);
void add_of_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst);
void multiply_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst);
void gate_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst);
void mean_of_levels(std::span<const View> src, std::span<const View> dst);
void average_of_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst);
void normalize_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst);
void requantize_levels(const Attrs& attrs, std::span<const View> src, std::span<const View> dst);

}  // namespace tercel::inline kernels

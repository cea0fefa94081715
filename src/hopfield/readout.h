// Scores of classes from overlaps: how the softmax memory is read out.
#pragma once

#include <cstdint>
#include <span>

namespace tercel::inline hopfield {

/// y_c = log sum over the patterns k of class c of exp(beta * overlaps[k]); minus infinity for a class without one.
/// `sums` is room for as many numbers as `y` has.
void class_scores(std::span<const int32_t> overlaps, std::span<const int32_t> classes, float beta,
                  std::span<float> sums, std::span<float> y);

}  // namespace tercel::inline hopfield

// The ordered list of passes.
#pragma once

#include <span>

#include "passes/pass.h"

namespace tercel::inline passes {

/// Passes whose result is still standard ONNX: what `tercel optimize -o` writes.
std::span<const Pass> portable_recipe();

/// Passes that lower the graph to the operators the engine is fast at; run after the portable ones.
std::span<const Pass> engine_recipe();

/// Constant folding alone: what even an unoptimized graph needs before its shapes are known.
std::span<const Pass> minimal_recipe();

/// Constant folding that leaves no levels of weights: for what measures or changes weights as floats.
std::span<const Pass> dequantizing_recipe();

/// Translation to the operators that fast kernels know, one for one: what an unoptimized graph goes through instead.
std::span<const Pass> lowering_recipe();

/// The name that a pass has now: passes that were renamed are known by their former names too.
std::string_view current_name(std::string_view pass);

}  // namespace tercel::inline passes

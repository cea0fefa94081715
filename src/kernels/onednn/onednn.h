// oneDNN's kernels as menu entries. Only compiled where oneDNN is found.
#pragma once

#include "kernels/kernel.h"

namespace tercel {

/// FusedConv on channels-last activations, any kernel size.
Variant onednn_conv();

/// FusedMatMul, constant or run-time b.
Variant onednn_matmul();

}  // namespace tercel

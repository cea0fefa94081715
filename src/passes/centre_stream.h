// The residual stream in front of layer normalizations, written so that the mean of every row is 0 to begin with
// (Jiang et al. 2023, "Pre-RMSNorm and Pre-CRMSNorm Transformers"; Ashkboos et al. 2024, "SliceGPT", section 3).
#pragma once

#include <set>
#include <string>

#include "graph/graph.h"

namespace tercel::inline passes {

/// Takes the mean over the channels out of everything that writes `stream` along its last axis, and out of all that is
/// added to, cut from or joined with it anywhere:
///
///   Conv(w, b) -> ... -> + position -> stream -> + FusedMatMul(W, b) -> stream ...
///   Conv(w - mean_oc w, b - mean b) -> ... -> + (position - mean) -> stream -> + FusedMatMul(W P, b - mean b) ...
///
/// with P = I - 11'/n. Correct only where no reader sees the difference: every reader of every such value must be a
/// LayerNormalization over that very axis. All or nothing: returns why not, and then nothing was changed; empty where
/// it was done or `stream` is among `centred`, to which all values of the stream are added. A Concat of several streams
/// along the channels (Swin's patch merging) does see it: the norm behind it sees the mean of all.
///
/// Wants known shapes and the engine's operators (lower_linear, fuse_add).
std::string centre_stream(Graph& graph, Value* stream, std::set<const Value*>& centred);

}  // namespace tercel::inline passes

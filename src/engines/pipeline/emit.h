// A network and its pipeline as a folder that needs no Tercel: kernels, host program, build scripts, memory images.
#pragma once

#include <filesystem>

#include "engines/pipeline/network.h"

namespace tercel::inline engines {

/// Writes the folder, which must not be there yet; all of it or nothing. `title` is for people. Throws Error where the
/// network ends in floats that the host would have to compute.
void emit_network(const PipelineNetwork& network, const std::string& title, const std::filesystem::path& folder);

}  // namespace tercel::inline engines

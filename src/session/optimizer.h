// Passes, with an evaluator handed in.
#pragma once

#include "passes/pass.h"
#include "tercel/model.h"

namespace tercel::inline session {

/// `without`: names of passes to leave out.
PassLog rewrite(Graph& graph, std::span<const Pass> passes, const std::filesystem::path& dump_dir = {},
                std::span<const std::string> without = {});

/// Throws Error for a name that is no pass of the portable or the engine's recipe.
void check_pass_names(std::span<const std::string> names);

void append_pass_log(std::vector<PassReport>& reports, PassLog pass_log);

}  // namespace tercel::inline session

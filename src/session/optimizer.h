// Passes, with an evaluator handed in.
#pragma once

#include "passes/pass.h"
#include "tercel/model.h"

namespace tercel {

Diary rewrite(Graph& graph, std::span<const Pass> passes, const std::filesystem::path& dump_dir = {});

void append_diary(std::vector<PassReport>& reports, Diary diary);

}  // namespace tercel

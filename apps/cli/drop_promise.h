// What is promised for a max_drop, for people and programs.
#pragma once

#include "common.h"
#include "tercel/compress.h"

namespace tercel::cli {

Json promise_json(const DropPromise& promise);
/// `of`: "top-1" or "agreement".
std::string promise_text(const DropPromise& promise, std::string_view of);

}  // namespace tercel::cli

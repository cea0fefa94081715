// What is promised for a max_drop, for people and programs.
#pragma once

#include "common.h"
#include "tercel/compress.h"

namespace tercel::cli {

Json to_json(const DropPromise& promise);
/// `of`: "top-1" or "agreement".
std::string text_of(const DropPromise& promise, std::string_view of);

}  // namespace tercel::cli

// The kernels as one text, for OpenCL's compiler (made by cmake/kernel_text.cmake from the files beside this one).
#pragma once

#include <string_view>

namespace tercel::inline engines {

extern const std::string_view kPipelineText;
extern const std::string_view kLayerText;  ///< layer.h alone
extern const std::string_view kHostText;   ///< emitted/host.cc

}  // namespace tercel::inline engines

// protozero, whose accessors only assert that a field has the wire type they read: in a release build a stranger's file
// would be misread in silence. Here a broken promise is an Error in every build. Include this instead of protozero's
// own headers.
#pragma once

#include "base/error.h"

namespace tercel::onnx {

[[noreturn]] inline void raise_malformed(const char* what) { fail_input("malformed protobuf message ({})", what); }

}  // namespace tercel::onnx

#define protozero_assert(condition) ((condition) ? static_cast<void>(0) : ::tercel::onnx::raise_malformed(#condition))

#include <protozero/pbf_builder.hpp>
#include <protozero/pbf_message.hpp>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

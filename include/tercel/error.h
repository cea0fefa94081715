// What goes wrong with a user's bytes, files and arguments. Mistakes of our own are tercel::Bug (base/check.h).
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "tercel/export.h"

namespace tercel {

enum class ErrorCode {
  bad_input,    ///< bytes, values or arguments that break a rule
  unsupported,  ///< valid, but Tercel does not do it
  not_found,    ///< a file, name or entry that is not there
  io,           ///< the operating system refused to read or write
  limit,        ///< more memory, nesting or size than the limits allow
  stopped,      ///< the caller's progress function asked to stop
};

TERCEL_API std::string_view to_string(ErrorCode code);

/// An error with a trail that says where it happened, outermost place first:
/// `model.onnx: node 'conv3' (Conv): attribute 'dilations': ...`
class TERCEL_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string message);

  ErrorCode code() const { return code_; }

  /// The same error, seen from one place further out: puts `place: ` in front of the message.
  Error within(std::string_view place) const;

 private:
  ErrorCode code_;
};

}  // namespace tercel

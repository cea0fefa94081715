// Which Tercel this is, for programs and for reports of faults.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tercel/export.h"

/// Of these headers. Before 1.0 the minor number stands for changes that break.
#define TERCEL_VERSION_MAJOR 0
#define TERCEL_VERSION_MINOR 1
#define TERCEL_VERSION_PATCH 0

namespace tercel {

/// Of the library that is linked: "0.1.0".
TERCEL_API std::string version();

struct BuildInfo {
  std::string version;      ///< "0.1.0"
  std::string commit;       ///< "6405e5e", "6405e5e-dirty" with changes that are not committed, "unknown" without git
  std::string compiler;     ///< "GNU 12.2.0, Release"
  std::string isa;          ///< the instruction set that sessions take here, or why TERCEL_ISA is refused
  std::string machine_isa;  ///< the best that this machine has
  int processors = 1;       ///< that this process may use
  std::vector<std::pair<std::string, std::string>> libraries;  ///< name, version; "none" for what the build is without
};

TERCEL_API BuildInfo build_info();

}  // namespace tercel

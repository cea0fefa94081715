#include "tercel/version.h"

#include "base/build_facts.h"
#include "base/commit.h"
#include "base/isa.h"
#include "base/threads.h"
#include "tercel/error.h"

namespace tercel {

std::string version() {
  return std::to_string(TERCEL_VERSION_MAJOR) + "." + std::to_string(TERCEL_VERSION_MINOR) + "." +
         std::to_string(TERCEL_VERSION_PATCH);
}

BuildInfo build_info() {
  BuildInfo info;
  info.version = version();
  info.commit = TERCEL_COMMIT;
  info.compiler = TERCEL_COMPILER;
  try {
    info.isa = to_string(chosen_isa());
  } catch (const Error& error) {
    info.isa = error.what();
  }
  info.machine_isa = to_string(machine_isa());
  info.processors = hardware_threads();
  info.libraries = {TERCEL_LIBRARIES};
  return info;
}

}  // namespace tercel

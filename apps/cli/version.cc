#include <fmt/format.h>

#include <memory>

#include "common.h"
#include "verbs.h"

namespace tercel::cli {

VersionFlags add_version(CLI::App& app) {
  VersionFlags flags{std::make_shared<bool>(false), std::make_shared<bool>(false)};
  CLI::Option* version = app.add_flag("--version", *flags.asked, "Print the version");
  app.add_flag("--verbose", *flags.verbose, "With --version: commit, compiler, instruction set, libraries")
      ->needs(version);
  return flags;
}

void print_version(bool verbose) {
  const BuildInfo info = build_info();
  print(fmt::format("tercel {}\n", info.version));
  if (!verbose) return;
  print(fmt::format("commit     {}\ncompiler   {}\nISA        {} (the machine has {}; {} processor{})\n", info.commit,
                    info.compiler, info.isa, info.machine_isa, info.processors, info.processors == 1 ? "" : "s"));
  for (const auto& [name, found] : info.libraries) print(fmt::format("{:<10} {}\n", name, found));
}

}  // namespace tercel::cli

// One function per verb: adds its subcommand and what to do when it was asked for.
#pragma once

#include <memory>

#include <CLI/CLI.hpp>

namespace tercel::cli {

void add_inspect(CLI::App& app);
void add_classify(CLI::App& app);
void add_run(CLI::App& app);
void add_optimize(CLI::App& app);
void add_compress(CLI::App& app);
void add_decompress(CLI::App& app);
void add_front(CLI::App& app);
void add_quantize(CLI::App& app);
void add_bench(CLI::App& app);
void add_fpga(CLI::App& app);

void add_simulate(CLI::App& fpga);  ///< tercel fpga simulate
void add_emit(CLI::App& fpga);      ///< tercel fpga emit
void add_data(CLI::App& app);       ///< has verbs of its own
void add_hopfield(CLI::App& app);   ///< the same

struct VersionFlags {
  std::shared_ptr<bool> asked, verbose;
};
VersionFlags add_version(CLI::App& app);
void print_version(bool verbose);

}  // namespace tercel::cli

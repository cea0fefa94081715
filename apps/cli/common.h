// What several verbs share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tercel/tercel.h"

namespace tercel::cli {

/// Thrown by a verb that has printed its error already.
struct Failed {
  int status;
};

using Json = nlohmann::ordered_json;

CLI::Option* add_threads(CLI::App& command, int& threads);

/// Options of verbs that run a network.
struct RunFlags {
  int threads = 0;
  bool no_optimize = false;
  std::string engine;
  std::string precision;
  bool reference = false;
  std::string dump_passes;
  std::vector<std::string> without;

  void add_to(CLI::App& command);
  SessionOptions session() const;
};

/// `--shape name=1x3x224x224`, or without a name where the model has one input.
struct ShapeFlags {
  std::vector<std::string> texts;

  void add_to(CLI::App& command);
  InputShapes shapes(const Model& model) const;
};

/// Prints the model's warnings to stderr.
Model load_with_warnings(const std::string& path);

/// "1x3x224x224"; "?" or the symbol for extents that are not fixed.
std::string shape_text(const Port& port);

/// "12.3 M", "4.09 G".
std::string scaled(double value);

std::string bytes_text(size_t bytes);

/// Rows of cells, columns aligned; numbers (cells that start with a digit) to the right, but in columns of names.
std::string table(const std::vector<std::vector<std::string>>& rows);

Json to_json(const PlanReport& report);
Json pass_log_json(const std::vector<PassReport>& pass_log);
std::string pass_log_text(const std::vector<PassReport>& pass_log);

/// Refuses a file that cannot be written before the work is done, not after, and one whose name does not end as its
/// content will be: in one of `endings`. An empty path is none.
void check_output(const std::filesystem::path& path, const std::vector<std::string>& endings);

/// "no input 'imge'; there is image; did you mean 'image'?". `kind` is "input" or "output".
[[noreturn]] void refuse_port(const std::string& name, const std::vector<Port>& ports, const char* kind);

/// Warns of more threads than processors: they take turns.
void warn_of_threads(int threads);

/// Writes the file whole or not at all.
void write_text(const std::string& path, const std::string& text);

void print(const Json& json);
void print(const std::string& text);

}  // namespace tercel::cli

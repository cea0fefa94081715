#include "common.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>

#include "progress.h"
#include "suggest.h"

namespace tercel::cli {

void RunFlags::add_to(CLI::App& command) {
  add_threads(command, threads);
  command.add_flag("--no-optimize", no_optimize, "Run the graph as it is, without passes");
  std::string engines_there;
  for (const EngineInfo& info : available_engines())
    engines_there += fmt::format("{}{}: {}", engines_there.empty() ? "" : "; ", info.name, info.what);
  command.add_option("--engine", engine, "Engine that runs it (" + engines_there + ")")->type_name("NAME");
  command.add_flag("--reference", reference, "The same as --engine reference");
  command
      .add_option("--precision", precision, "fp32, or bf16: weights in half the memory, rounded to 8 significant bits")
      ->type_name("WORD");
  command.add_option("--without", without, "A pass to leave out, by name; may be given again")->allow_extra_args(false);
  command.add_option("--dump-passes", dump_passes, "Write the graph as text after every pass into this folder");
}

CLI::Option* add_threads(CLI::App& command, int& threads) {
  return command.add_option("-t,--threads", threads, "0: one per processor")->check(CLI::Range(0, 1024));
}

SessionOptions RunFlags::session() const {
  warn_of_threads(threads);
  SessionOptions options;
  options.threads = threads;
  options.optimize = !no_optimize;
  options.engine = engine;
  options.reference = reference;
  options.precision = precision;
  options.dump_dir = dump_passes;
  options.without = without;
  options.progress = [show = show_progress()](std::string_view stage, double done) {
    if (done < 1) return show(stage, done);
    end_progress();
    return true;
  };
  return options;
}

void ShapeFlags::add_to(CLI::App& command) {
  command.add_option("--shape", texts, "Shape of an input: name=1x3x224x224, or just 1x3x224x224 for a single input");
}

InputShapes ShapeFlags::shapes(const Model& model) const {
  InputShapes shapes;
  for (const std::string& text : texts) {
    const size_t equals = text.rfind('=');
    std::string name, extents = text;
    if (equals != std::string::npos) {
      name = text.substr(0, equals);
      extents = text.substr(equals + 1);
    } else if (model.inputs().size() == 1) {
      name = model.inputs()[0].name;
    } else {
      throw Error(ErrorCode::bad_input, fmt::format("--shape {}: the model has {} inputs, so write name=extents", text,
                                                    model.inputs().size()));
    }
    const std::vector<Port> ports = model.inputs();
    if (std::none_of(ports.begin(), ports.end(), [&](const Port& port) { return port.name == name; }))
      refuse_port(name, ports, "input");
    std::vector<int64_t> dims;
    const char* at = extents.data();
    const char* end = at + extents.size();
    while (at <= end && !extents.empty()) {  // a trailing x leaves one more extent to be read
      int64_t extent = 0;
      const auto result = std::from_chars(at, end, extent);
      if (result.ec != std::errc() || extent < 0 || (result.ptr != end && *result.ptr != 'x'))
        throw Error(ErrorCode::bad_input, fmt::format("--shape {}: wanted extents like 1x3x224x224", text));
      if (extent == 0)
        throw Error(ErrorCode::bad_input, fmt::format("--shape {}: an extent of 0 leaves nothing to compute", text));
      dims.push_back(extent);
      at = result.ptr + 1;
    }
    shapes[name] = dims;
  }
  return shapes;
}

Model load_with_warnings(const std::string& path) {
  Model model = load(path);
  for (const std::string& warning : model.warnings()) fmt::print(stderr, "warning: {}: {}\n", path, warning);
  return model;
}

std::string shape_text(const Port& port) {
  if (!port.ranked) return "...";
  std::string text;
  for (size_t i = 0; i < port.dims.size(); ++i) {
    if (i > 0) text += "x";
    if (port.dims[i] >= 0) text += std::to_string(port.dims[i]);
    else text += i < port.dim_names.size() && !port.dim_names[i].empty() ? port.dim_names[i] : "?";
  }
  return text.empty() ? "scalar" : text;
}

std::string scaled(double value) {
  if (value >= 1e9) return fmt::format("{:.2f} G", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.2f} M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:.1f} k", value / 1e3);
  return fmt::format("{:.0f}", value);
}

std::string bytes_text(size_t bytes) {
  const auto b = static_cast<double>(bytes);
  if (b >= 1 << 20) return fmt::format("{:.1f} MiB", b / (1 << 20));
  if (b >= 1 << 10) return fmt::format("{:.1f} KiB", b / (1 << 10));
  return fmt::format("{} B", bytes);
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  const auto begins_with = [](const std::string& cell, int (*kind)(int)) {
    return !cell.empty() && kind(static_cast<unsigned char>(cell[0])) != 0;
  };
  std::vector<size_t> widths;
  std::vector<bool> names;  // columns of them: also "1 nearest neighbour" is one
  for (const auto& row : rows) {
    if (widths.size() < row.size()) widths.resize(row.size(), 0), names.resize(row.size(), false);
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
      if (&row != &rows.front() && begins_with(row[i], std::isalpha)) names[i] = true;
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const bool number = !names[i] && begins_with(row[i], std::isdigit);
      line += number ? fmt::format("{:>{}}", row[i], widths[i]) : fmt::format("{:<{}}", row[i], widths[i]);
      line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

Json pass_log_json(const std::vector<PassReport>& pass_log) {
  Json passes = Json::array();
  for (const PassReport& pass : pass_log)
    passes.push_back({{"pass", pass.pass}, {"changes", pass.changes}, {"notes", pass.notes}});
  return passes;
}

std::string pass_log_text(const std::vector<PassReport>& pass_log) {
  std::string out;
  for (const PassReport& pass : pass_log) {
    if (pass.changes == 0 && pass.notes.empty()) continue;
    out += fmt::format("  {:<18} {} {}\n", pass.pass, pass.changes, pass.changes == 1 ? "change" : "changes");
    for (const std::string& note : pass.notes) out += "    " + note + "\n";
  }
  return out.empty() ? "  nothing to change\n" : out;
}

Json to_json(const PlanReport& report) {
  Json steps = Json::array();
  for (const StepReport& s : report.steps)
    steps.push_back({{"node", s.node},
                     {"op", s.op},
                     {"kernel", s.variant},
                     {"why_not", s.why_nots},
                     {"result", s.result},
                     {"macs", s.macs},
                     {"bytes", s.bytes},
                     {"ms", s.ms}});
  return {{"isa", report.isa},
          {"engine", report.engine},
          {"threads", report.threads},
          {"arena_bytes", report.arena_bytes},
          {"unshared_bytes", report.unshared_bytes},
          {"scratch_bytes", report.scratch_bytes},
          {"weight_bytes", report.weight_bytes},
          {"pass_log", pass_log_json(report.pass_log)},
          {"diary", pass_log_json(report.pass_log)},  // its name before 0.2
          {"steps", steps}};
}

void check_output(const std::filesystem::path& path, const std::vector<std::string>& endings) {
  if (path.empty()) return;
  if (std::filesystem::is_directory(path)) throw Error(ErrorCode::bad_input, path.string() + ": is a folder");
  const auto folder = std::filesystem::absolute(path).parent_path();
  if (!std::filesystem::is_directory(folder)) throw Error(ErrorCode::not_found, path.string() + ": no such folder");
  const std::string name = path.filename().string();
  if (std::none_of(endings.begin(), endings.end(), [&](const std::string& ending) { return name.ends_with(ending); }))
    throw Error(ErrorCode::bad_input, fmt::format("{}: wanted a name that ends in {}, the format it will hold",
                                                  path.string(), fmt::join(endings, " or ")));
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    throw Error(ErrorCode::io, path.string() + ": its folder is not writable");
}

void refuse_port(const std::string& name, const std::vector<Port>& ports, const char* kind) {
  std::vector<std::string> names;
  for (const Port& port : ports) names.push_back(port.name);
  throw Error(ErrorCode::bad_input, fmt::format("no {} '{}'; there is {}{}", kind, name,
                                                names.empty() ? "none" : listed(names), did_you_mean(name, names)));
}

void warn_of_threads(int threads) {
  const int processors = build_info().processors;
  if (threads <= processors) return;
  fmt::print(stderr,
             "warning: {} threads on {} processor{}: they share processors, which is slower than --threads {}\n",
             threads, processors, processors == 1 ? "" : "s", processors);
}

void write_text(const std::string& path, const std::string& text) {
  const std::string partial = path + ".partial";
  std::ofstream file(partial, std::ios::binary);
  file << text;
  file.close();
  if (!file || std::rename(partial.c_str(), path.c_str()) != 0) {
    std::remove(partial.c_str());
    throw Error(ErrorCode::io, path + ": cannot be written");
  }
}

void print(const Json& json) {
  // Names come from strangers' files and need not be UTF-8.
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}
void print(const std::string& text) { fmt::print("{}", text); }

}  // namespace tercel::cli

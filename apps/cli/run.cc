#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "common.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct Flags {
  std::string model;
  std::vector<std::string> inputs, outputs;
  bool json = false;
  RunFlags run;
};

struct Named {
  size_t port;
  std::string path;
};

/// `name=path`, or a path alone for the next port in order. What stands before a '=' is a name, unless it holds a '/':
/// then it is part of a path (./a=b.npy). Names of ports may hold both.
std::vector<Named> by_port(const std::vector<std::string>& texts, const std::vector<Port>& ports, const char* kind) {
  std::vector<Named> list;
  for (const std::string& text : texts) {
    const auto named = std::find_if(ports.begin(), ports.end(), [&](const Port& port) {
      return !port.name.empty() && text.starts_with(port.name + "=");
    });
    Named found{static_cast<size_t>(named - ports.begin()), text};
    if (named != ports.end()) {
      found.path = text.substr(named->name.size() + 1);
    } else {
      const std::string name = text.substr(0, text.find('='));
      if (name.size() < text.size() && name.find('/') == std::string::npos) refuse_port(name, ports, kind);
      found.port = list.size();
      if (found.port >= ports.size())
        throw Error(ErrorCode::bad_input, fmt::format("--{} {}: the model has only {}", kind, text, ports.size()));
    }
    if (std::any_of(list.begin(), list.end(), [&](const Named& other) { return other.port == found.port; }))
      throw Error(ErrorCode::bad_input,
                  fmt::format("--{} {}: {} '{}' is given twice", kind, text, kind, ports[found.port].name));
    list.push_back(std::move(found));
  }
  return list;
}

void run(const Flags& flags) {
  Session session(load_with_warnings(flags.model), flags.run.session());
  const std::vector<Port> in = session.model().inputs(), out = session.model().outputs();
  const std::vector<Named> targets = by_port(flags.outputs, out, "output");
  for (const Named& target : targets) check_output(target.path, {".npy", ".pb"});
  std::vector<Array> arrays(in.size());
  for (const Named& source : by_port(flags.inputs, in, "input")) arrays[source.port] = Array::open(source.path);
  for (size_t i = 0; i < in.size(); ++i)
    if (arrays[i].dtype() == DType::none)
      throw Error(ErrorCode::bad_input, fmt::format("input '{}' is missing: --input {}=FILE", in[i].name, in[i].name));
  const std::vector<Array> results = session.run(arrays);
  for (const Named& target : targets) results[target.port].save(target.path, out[target.port].name);
  Json json = Json::array();
  for (size_t i = 0; i < out.size(); ++i) {
    std::string shape;
    for (int64_t d : results[i].dims()) shape += fmt::format("{}{}", shape.empty() ? "" : "x", d);
    json.push_back({{"output", out[i].name}, {"type", to_string(results[i].dtype())}, {"dims", results[i].dims()}});
    if (!flags.json) print(fmt::format("{}: {}[{}]\n", out[i].name, to_string(results[i].dtype()), shape));
  }
  if (flags.json) print(json);
}

}  // namespace

void add_run(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("run", "Arrays in, arrays out");
  command->add_option("model", flags->model, "ONNX or .tercel file")->required();
  command->add_option("-i,--input", flags->inputs, "An input: FILE or name=FILE (.npy or .pb), once for each input");
  command->add_option("-o,--output", flags->outputs, "Where an output goes: FILE or name=FILE (.npy or .pb)");
  command->add_flag("--json", flags->json, "For programs");
  flags->run.add_to(*command);
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli

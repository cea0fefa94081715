#include <fmt/format.h>

#include <map>
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
  std::string name, path;
};

/// `name=path`, or a path alone for the next place in order. A name counts only where the model has it, so that paths
/// with
/// '=' in them work.
std::vector<Named> by_place(const std::vector<std::string>& texts, const std::vector<Port>& ports, const char* flag) {
  std::vector<Named> list;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    const std::string name = equals == std::string::npos ? "" : text.substr(0, equals);
    const bool known =
        std::any_of(ports.begin(), ports.end(), [&](const Port& p) { return !name.empty() && p.name == name; });
    if (known) {
      list.push_back({name, text.substr(equals + 1)});
    } else {
      if (list.size() >= ports.size())
        throw Error(ErrorCode::bad_input, fmt::format("{} {}: the model has only {}", flag, text, ports.size()));
      list.push_back({ports[list.size()].name, text});
    }
  }
  return list;
}

void run(const Flags& flags) {
  Session session(load_with_warnings(flags.model), flags.run.session());
  const std::vector<Port> in = session.model().inputs(), out = session.model().outputs();
  std::vector<Array> arrays(in.size());
  for (const Named& named : by_place(flags.inputs, in, "--input"))
    for (size_t i = 0; i < in.size(); ++i)
      if (in[i].name == named.name) arrays[i] = Array::open(named.path);
  for (size_t i = 0; i < in.size(); ++i)
    if (arrays[i].dtype() == DType::none)
      throw Error(ErrorCode::bad_input, fmt::format("input '{}' is missing: --input {}=FILE", in[i].name, in[i].name));
  const std::vector<Array> results = session.run(arrays);
  for (const Named& named : by_place(flags.outputs, out, "--output"))
    for (size_t i = 0; i < out.size(); ++i)
      if (out[i].name == named.name) results[i].save(named.path, named.name);
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
  command->add_option("model", flags->model, "ONNX file")->required();
  command->add_option("-i,--input", flags->inputs, "An input: FILE or name=FILE (.npy or .pb), once per input")
      ->required();
  command->add_option("-o,--output", flags->outputs, "Where an output goes: FILE or name=FILE (.npy or .pb)");
  command->add_flag("--json", flags->json, "For programs");
  flags->run.add_to(*command);
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli

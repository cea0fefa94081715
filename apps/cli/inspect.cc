#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "common.h"
#include "preprocess_flag.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct Flags {
  std::string model;
  bool json = false, why = false, text = false, layers = false;
  ShapeFlags shape;
  RunFlags run;
};

Json ports_json(const std::vector<Port>& ports) {
  Json list = Json::array();
  for (const Port& port : ports)
    list.push_back(
        {{"name", port.name}, {"type", to_string(port.dtype)}, {"shape", shape_text(port)}, {"dims", port.dims}});
  return list;
}

struct Summary {
  Model declared;  ///< with the shapes of the command line only
  Model model;     ///< with likely shapes too
  InputShapes assumed;
  std::vector<NodeInfo> nodes;
  std::map<std::string, int> operators;
  int64_t macs = 0;   ///< of all nodes where they are known
  int uncounted = 0;  ///< products whose extents are open
};

/// With likely shapes where extents are not fixed; unknown extents stay open.
Summary summarise(const Flags& flags) {
  const Model model = load_with_warnings(flags.model);
  const InputShapes given = flags.shape.shapes(model);
  const InputShapes likely = model.likely_shapes(given);
  const Model declared = model.with_shapes(given);
  Summary s{declared, model.with_shapes(likely), {}, {}, {}};
  for (const Port& port : declared.inputs())
    if (const auto at = likely.find(port.name); at != likely.end() && at->second != port.dims)
      s.assumed[port.name] = at->second;
  s.nodes = s.model.nodes();
  for (const NodeInfo& node : s.nodes) {
    ++s.operators[node.op];
    if (node.macs < 0) ++s.uncounted;
    else s.macs += node.macs;
  }
  return s;
}

/// How to fix the open extents.
std::string shape_hint(const Summary& s) {
  for (const Port& port : s.model.inputs())
    if (!port.ranked || std::any_of(port.dims.begin(), port.dims.end(), [](int64_t extent) { return extent < 0; }))
      return fmt::format("--shape {}=... counts all", port.name);
  return "they depend on input values";
}

/// In running order, or the heaviest alone.
void print_nodes(std::vector<NodeInfo> nodes, bool all) {
  constexpr size_t kHeaviest = 10;
  const size_t count = nodes.size();
  if (!all && count > kHeaviest) {
    const auto work = [](const NodeInfo& node) { return std::pair(node.macs, node.parameters); };
    std::stable_sort(nodes.begin(), nodes.end(),
                     [&](const NodeInfo& a, const NodeInfo& b) { return work(a) > work(b); });
    nodes.resize(kHeaviest);
  }
  std::vector<std::vector<std::string>> rows{{"node", "operator", "result", "MACs", "parameters"}};
  for (const NodeInfo& node : nodes)
    rows.push_back({node.name.empty() && !node.outputs.empty() ? node.outputs[0] : node.name, node.op,
                    node.output_types.empty() ? "" : node.output_types[0],
                    node.macs > 0   ? scaled(static_cast<double>(node.macs))
                    : node.macs < 0 ? "open"
                                    : "",
                    node.parameters > 0 ? scaled(static_cast<double>(node.parameters)) : ""});
  print("\n" + table(rows));
  if (nodes.size() < count)
    print(fmt::format("the {} heaviest of {} nodes; --layers: all, in running order\n", nodes.size(), count));
}

bool takes_a_picture(const Model& model) {
  const std::vector<Port> inputs = model.inputs();
  return inputs.size() == 1 && inputs[0].dtype == DType::f32 && inputs[0].ranked && inputs[0].dims.size() == 4;
}

void print_summary(const Summary& s, const Flags& flags) {
  print(fmt::format("{}\n", s.model.name()));
  const auto ports = [](const char* title, const std::vector<Port>& list) {
    for (const Port& port : list)
      print(fmt::format("  {:<10} {}  {}[{}]\n", title, port.name, to_string(port.dtype), shape_text(port)));
  };
  ports("input", load(flags.model).inputs());
  ports("output", s.model.outputs());
  for (const Port& port : s.model.inputs())
    if (s.assumed.contains(port.name))
      print(fmt::format("  {:<10} {} is {} (--shape says otherwise)\n", "assumed", port.name, shape_text(port)));
  print(fmt::format("  {:<10} {} ({})\n", "parameters", scaled(static_cast<double>(s.model.parameters())),
                    bytes_text(static_cast<size_t>(s.model.parameter_bytes()))));
  print(fmt::format("  {:<10} {}{}\n", "MACs", scaled(static_cast<double>(s.macs)),
                    s.uncounted == 0 ? std::string()
                                     : fmt::format(", without {} {} of open extents: {}", s.uncounted,
                                                   s.uncounted == 1 ? "product" : "products", shape_hint(s))));
  std::string operators;
  for (const auto& [op, count] : s.operators)
    operators += fmt::format("{}{} {}", operators.empty() ? "" : ", ", count, op);
  print(fmt::format("  {:<10} {}: {}\n", "nodes", s.nodes.size(), operators));
  for (const auto& [key, value] : s.model.metadata()) {
    // Short values of several lines (labels) keep to one line of the table.
    std::string one_line;
    for (const char c : value) one_line += c == '\n' ? std::string(", ") : std::string(1, c);
    print(fmt::format("  {:<10} {} = {}\n", "metadata", key,
                      value.size() <= 60 ? one_line : fmt::format("({} characters)", value.size())));
  }
  if (takes_a_picture(s.model)) print(fmt::format("  {:<10} {}\n", "preprocess", PreprocessFlag{}.text(s.model)));
  print_nodes(s.nodes, flags.layers);
}

Json summary_json(const Summary& s) {
  Json nodes = Json::array();
  for (const NodeInfo& node : s.nodes)
    nodes.push_back({{"name", node.name},
                     {"op", node.op},
                     {"inputs", node.inputs},
                     {"outputs", node.outputs},
                     {"output_types", node.output_types},
                     {"macs", node.macs < 0 ? Json() : Json(node.macs)},
                     {"parameters", node.parameters}});
  Json json{{"model", s.model.name()},
            {"inputs", ports_json(s.declared.inputs())},
            {"outputs", ports_json(s.declared.outputs())},
            {"parameters", s.model.parameters()},
            {"parameter_bytes", s.model.parameter_bytes()},
            {"macs", s.macs},
            {"nodes_without_macs", s.uncounted},
            {"operators", s.operators},
            {"metadata", s.model.metadata()},
            {"warnings", s.model.warnings()},
            {"nodes", nodes}};
  if (takes_a_picture(s.model)) json["preprocess"] = PreprocessFlag{}.json(s.model);
  return json;
}

void print_plan(const PlanReport& report) {
  print(fmt::format("\nplan for {}, {} threads: activations {} (without reuse {}), scratch {}, weights {}\n",
                    report.isa, report.threads, bytes_text(report.arena_bytes), bytes_text(report.unshared_bytes),
                    bytes_text(report.scratch_bytes), bytes_text(report.weight_bytes)));
  print("passes\n" + pass_log_text(report.pass_log) + "\n");
  // Steps of one operator with the same kernel and the same reasons form one group; the most work first.
  struct Group {
    const StepReport* first;
    int count = 0;
    int64_t macs = 0;
  };
  std::vector<Group> groups;
  for (const StepReport& step : report.steps) {
    auto at = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
      return group.first->op == step.op && group.first->variant == step.variant &&
             group.first->why_nots == step.why_nots;
    });
    if (at == groups.end()) at = groups.insert(groups.end(), {&step});
    ++at->count;
    at->macs += step.macs;
  }
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.macs > b.macs; });
  for (const Group& group : groups) {
    print(fmt::format("{} {}: {}{}, {}{}\n", group.count, group.first->op, group.first->variant,
                      group.macs > 0 ? fmt::format(", {} MACs", scaled(static_cast<double>(group.macs))) : "",
                      group.first->node, group.count > 1 ? " and others" : ""));
    for (const std::string& why : group.first->why_nots) print("    not " + why + "\n");
  }
  print(std::string("times of the steps: tercel bench --why\n"));
}

void run(const Flags& flags) {
  if (flags.text) return print(load_with_warnings(flags.model).text());
  const Summary s = summarise(flags);
  PlanReport report;
  if (flags.why) {
    Session session(load(flags.model), flags.run.session());
    report = session.prepare(flags.shape.shapes(session.model()));
  }
  if (flags.json) {
    Json json = summary_json(s);
    if (flags.why) json["plan"] = to_json(report);
    return print(json);
  }
  print_summary(s, flags);
  if (flags.why) print_plan(report);
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("inspect", "Describe a model: inputs, operators, parameters, MACs, shapes");
  command->add_option("model", flags->model, "ONNX or .tercel file")->required();
  command->add_flag("--why", flags->why, "Also the kernel of each node, and why better ones refused");
  command->add_flag("--layers", flags->layers, "All nodes, in running order, instead of the heaviest");
  CLI::Option* text = command->add_flag("--text", flags->text, "The graph in Tercel's text form instead");
  command->add_flag("--json", flags->json, "For programs")->excludes(text);
  flags->shape.add_to(*command);
  flags->run.add_to(*command);
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli

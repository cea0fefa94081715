// tercel fpga boards | explore | estimate | validate; simulate and emit are in fpga_pipeline.cc.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "fpga_report.h"
#include "progress.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct ExploreFlags {
  std::string model, network, search = "exact", html;
  ExploreOptions options;
  ShapeFlags shape;
  bool json = false, layers = false, front = false;
};

void check_source(const std::string& model, const std::string& network) {
  if (model.empty() == network.empty())
    throw Error(ErrorCode::bad_input, "wanted a model, or --network alexnet, vgg16 or resnet50 (built-in tables)");
}

void explore(const ExploreFlags& flags) {
  check_output(flags.html, {".html"});
  check_source(flags.model, flags.network);
  fpga_board(flags.options.board);  // a wrong name is told before the model is read
  ExploreOptions options = flags.options;
  options.search = flags.search == "evolve" ? DesignSearch::evolve : DesignSearch::exact;
  options.progress = show_progress();
  ExploreReport report;
  std::string name = flags.network;
  if (flags.network.empty()) {
    const Model model = load_with_warnings(flags.model);
    name = model.name();
    options.shapes = flags.shape.shapes(model);
    report = explore_designs(model, options);
  } else {
    report = explore_known_network(flags.network, options);
  }
  end_progress();
  if (report.front.empty()) {
    if (flags.json) print(to_json(report, name));
    throw Error(ErrorCode::bad_input,
                fmt::format("no design fits board {} within {:.0f} DSP blocks, {:.0f} RAM blocks and {:.0f} ALMs; the "
                            "nearest is {}: {}",
                            report.board.name, report.max_dsp, report.max_ram, report.max_logic,
                            to_string(report.best.point), report.best.why_not));
  }
  if (!flags.html.empty()) write_text(flags.html, to_html(report, name));
  if (flags.json) return print(to_json(report, name));
  print(to_text(report, name, flags.layers, flags.front));
  if (!flags.html.empty()) print(fmt::format("report written to {}\n", flags.html));
}

void add_explore(CLI::App& fpga) {
  auto flags = std::make_shared<ExploreFlags>();
  CLI::App* command = fpga.add_subcommand("explore", "Best designs of a board for a network, by the models");
  command->add_option("model", flags->model, "ONNX or .tercel file; a float network will do");
  command->add_option("--network", flags->network, "A built-in table instead: alexnet, vgg16, resnet50");
  command->add_option("--board", flags->options.board, "Name (tercel fpga boards) or FILE.toml")->type_name("BOARD");
  command->add_option("--max-dsp", flags->options.max_dsp, "DSP blocks; 0: 90 % of the board's");
  command->add_option("--max-ram", flags->options.max_ram, "RAM blocks; 0: 80 % of the board's");
  command->add_option("--max-logic", flags->options.max_logic, "ALMs; 0: 70 % of the board's");
  command->add_option("--clock", flags->options.clock_mhz, "MHz; 0: what the board is expected to reach");
  command->add_option("--batch", flags->options.batch, "Pictures that share one load of weights");
  command->add_option("--search", flags->search, "exact: every point; evolve: NSGA-II")
      ->check(CLI::IsMember({"exact", "evolve"}));
  command->add_option("--seed", flags->options.seed, "Of --search evolve");
  flags->shape.add_to(*command);
  command->add_flag("--layers", flags->layers, "Show all layers, not only the slowest");
  command->add_flag("--front", flags->front,
                    "Show the whole front, not only the fastest for each number of DSP blocks");
  command->add_option("--html", flags->html, "Report with charts to write (self-contained, .html)");
  command->add_flag("--json", flags->json, "Machine-readable output");
  command->callback([flags] { explore(*flags); });
}

struct EstimateFlags {
  std::string model, network, point, kernels = "tercel";
  int batch = 1;
  ShapeFlags shape;
  bool json = false, layers = false;
};

void estimate(const EstimateFlags& flags) {
  check_source(flags.model, flags.network);
  const DesignPoint point = parse_design_point(flags.point);
  const Kernels kernels = flags.kernels == "pipecnn" ? Kernels::pipecnn : Kernels::tercel;
  DesignReport report;
  if (flags.network.empty()) {
    const Model model = load_with_warnings(flags.model);
    report = estimate_design(model, point, kernels, flags.batch, flags.shape.shapes(model));
  } else {
    report = estimate_known_network(flags.network, point, kernels, flags.batch);
  }
  if (flags.json) print(to_json(report));
  if (!report.estimate.why_not.empty())
    throw Error(ErrorCode::bad_input,
                fmt::format("the design does not fit board {}: {} (`tercel fpga explore` finds one that does)",
                            report.estimate.point.board, report.estimate.why_not));
  if (!flags.json) print(to_text(report, flags.layers));
}

void add_estimate(CLI::App& fpga) {
  auto flags = std::make_shared<EstimateFlags>();
  CLI::App* command = fpga.add_subcommand("estimate", "One design point: latency, resources, bottleneck of each layer");
  command->add_option("model", flags->model, "ONNX or .tercel file");
  command->add_option("--network", flags->network, "A built-in table instead: alexnet, vgg16, resnet50");
  command->add_option("--point", flags->point,
                      "As in vec=16,lane=32,window_x=7,board=385a; what is left out has defaults");
  command->add_option("--kernels", flags->kernels, "Whose kernels are modelled")
      ->check(CLI::IsMember({"tercel", "pipecnn"}));
  command->add_option("--batch", flags->batch, "Pictures that share one load of weights");
  flags->shape.add_to(*command);
  command->add_flag("--layers", flags->layers, "Show all layers, not only the slowest");
  command->add_flag("--json", flags->json, "Machine-readable output");
  command->callback([flags] { estimate(*flags); });
}

void add_boards(CLI::App& fpga) {
  struct Flags {
    std::string board;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = fpga.add_subcommand("boards", "Boards, with the source of every figure and what is assumed");
  command->add_option("board", flags->board, "Only this one: name or FILE.toml");
  command->add_flag("--json", flags->json, "Machine-readable output");
  command->callback([flags] {
    std::vector<FpgaBoard> boards;
    if (flags->board.empty()) boards = fpga_boards();
    else boards.push_back(fpga_board(flags->board));
    Json json = Json::array();
    std::string text;
    for (const FpgaBoard& board : boards) {
      json.push_back(to_json(board));
      text += (text.empty() ? "" : "\n") + to_text(board);
    }
    if (flags->json) print(json);
    else print(text);
  });
}

void add_validate(CLI::App& fpga) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = fpga.add_subcommand("validate", "The models beside every published figure of PipeCNN we know");
  command->add_flag("--json", *json, "Machine-readable output");
  command->callback([json] {
    const std::vector<FpgaComparison> rows = compare_with_published();
    const std::vector<ErrorGate> gates = error_gates(rows);
    if (*json) print(to_json(rows, gates));
    else print(to_text(rows, gates));
    if (!std::all_of(gates.begin(), gates.end(), [](const ErrorGate& gate) { return gate.met(); })) throw Failed{1};
  });
}

}  // namespace

void add_fpga(CLI::App& app) {
  CLI::App* command = app.add_subcommand("fpga", "The pipelined accelerator on FPGAs, by models: no board is needed");
  command->require_subcommand(1);
  add_boards(*command);
  add_explore(*command);
  add_estimate(*command);
  add_validate(*command);
  add_simulate(*command);
  add_emit(*command);
}

}  // namespace tercel::cli

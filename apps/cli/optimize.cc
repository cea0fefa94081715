#include <fmt/format.h>

#include <memory>

#include "common.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct Flags {
  std::string model, output, dump_passes;
  std::vector<std::string> without;
  bool json = false;
  ShapeFlags shape;
};

void run(const Flags& flags) {
  const Model before = load_with_warnings(flags.model);
  const InputShapes shapes = flags.shape.shapes(before);
  OptimizeOptions options;
  options.dump_dir = flags.dump_passes;
  options.without = flags.without;
  const Model after = optimize(shapes.empty() ? before : before.with_shapes(shapes), options);
  if (!flags.output.empty()) after.save_onnx(flags.output);
  if (flags.json) {
    print(Json{{"model", flags.model},
               {"nodes_before", before.nodes().size()},
               {"nodes_after", after.nodes().size()},
               {"output", flags.output},
               {"diary", diary_json(after.diary())}});
    return;
  }
  print(fmt::format("{}: {} nodes, {} after\n", flags.model, before.nodes().size(), after.nodes().size()));
  print(diary_text(after.diary()));
  if (!flags.output.empty()) print(fmt::format("written to {}\n", flags.output));
}

}  // namespace

void add_optimize(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("optimize", "Fold and fuse; the result is standard ONNX that any runtime loads");
  command->add_option("model", flags->model, "ONNX file")->required();
  command->add_option("-o,--output", flags->output, "ONNX file to write; without it only the report is printed");
  command->add_option("--without", flags->without, "A pass to leave out, by name; may be given again")
      ->allow_extra_args(false);
  command->add_option("--dump-passes", flags->dump_passes, "Write the graph as text after every pass into this folder");
  command->add_flag("--json", flags->json, "For programs");
  flags->shape.add_to(*command);
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli

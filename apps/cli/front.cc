#include <fmt/format.h>

#include <memory>

#include "compress_flags.h"
#include "front_report.h"
#include "progress.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct Flags : CompressFlags {
  std::vector<double> ratios{4, 5, 6, 7, 8, 10, 12, 16, 20, 25, 30};
  std::string html;
};

void run(const Flags& flags) {
  check_output(flags.html, {".html"});
  listen_for_interrupt();
  const Model model = load_with_warnings(flags.model);
  const std::vector<CompressPoint> front = compression_front(model, flags.ratios, flags.finished());
  end_progress();
  const std::string preprocess = flags.preprocess.text(model);
  std::vector<CompressPoint> reached;
  std::vector<std::string> out_of_reach;
  for (const CompressPoint& p : front) {
    if (p.why_not.empty()) reached.push_back(p);
    else out_of_reach.push_back(p.why_not);
  }
  const bool drawn = !flags.html.empty() && !reached.empty();
  if (drawn) write_front(reached, model, preprocess, flags.html);
  if (flags.json) {
    Json points = Json::array();
    for (const CompressPoint& p : front) points.push_back(to_json(p));
    print(Json{{"model", flags.model}, {"preprocess", flags.preprocess.json(model)}, {"front", points}});
  } else {
    if (!reached.empty()) {
      print(fmt::format("evaluated on {} held-out pictures; preprocess: {}\n", reached[0].pictures, preprocess));
      print(table(front_rows(reached)));
    }
    for (const std::string& why_not : out_of_reach) print(why_not + "\n");
    if (!flags.html.empty())
      print(drawn ? fmt::format("chart written to {}\n", flags.html) : "no chart: it would have no point\n");
  }
  for (const CompressPoint& p : reached) warn_of_ratio(p);
  if (interrupted())
    throw Interrupted{fmt::format("{} of {} sizes {}", front.size(), flags.ratios.size(),
                                  drawn ? "finished and written to " + flags.html : "finished; nothing was written")};
}

}  // namespace

void add_front(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("front", "Accuracy against size: agreement and top-1 for each ratio");
  flags->add_to(*command);
  flags->pictures->required();
  command->add_option("--ratios", flags->ratios, "Ratios to make, as in 4,8,16")->delimiter(',');
  command->add_option("--html", flags->html, "Page with a chart to write (self-contained, .html)");
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli

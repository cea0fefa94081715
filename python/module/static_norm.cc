#include "tercel/static_norm.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "paths.h"
#include "records.h"
#include "work.h"

namespace tercel::python {

void bind_static_norm(nb::module_& module) {
  Record<StaticNormSite>(module, "StaticNormSite", "One layer normalization that only linear layers read.")
      .field("node", &StaticNormSite::node, "The norm.")
      .field("spread", &StaticNormSite::spread, "Deviation of sigma over all tokens, by its mean.")
      .field("sensitivity", &StaticNormSite::sensitivity, "Mean KL divergence when it alone is fixed, nats.")
      .field("residual", &StaticNormSite::residual, "Part of the normalized tokens that the map misses.")
      .field("fixed", &StaticNormSite::fixed, "Whether it was fixed.");
  Record<StaticNormTrial>(module, "StaticNormTrial", "Answers compared with the original network's.")
      .field("fixed", &StaticNormTrial::fixed, "Norms.")
      .field("agreement", &StaticNormTrial::agreement, "Part of the pictures that keep their class.")
      .field("top1", &StaticNormTrial::top1, "Part answered with their label; -1 without labels.")
      .field("kl", &StaticNormTrial::kl, "Mean Kullback-Leibler divergence, nats.");
  Record<StaticNormReport>(module, "StaticNormReport", "What static_norm() did.")
      .field_as_word("estimator", &StaticNormReport::estimator, &to_string, "As given.")
      .field("max_drop", &StaticNormReport::max_drop, "As given.")
      .field("measured", &StaticNormReport::measured, "Pictures.")
      .field("held_out", &StaticNormReport::held_out, "Pictures.")
      .field("original_top1", &StaticNormReport::original_top1, "-1 without labels.")
      .field("sites", &StaticNormReport::sites, "In running order.")
      .field("exact", &StaticNormReport::exact, "Norms that cannot be fixed, and why.")
      .field("trials", &StaticNormReport::trials, "Every number of sites tried.")
      .field("chosen", &StaticNormReport::chosen, "The one kept.")
      .field("promise", &StaticNormReport::promise, "None where sites were given.");
  Record<StaticNormResult>(module, "StaticNormResult", "A network with fixed norms.")
      .field("model", &StaticNormResult::model, "Standard ONNX.")
      .field("report", &StaticNormResult::report, "What was fixed, and what it cost.");
  module.def(
      "static_norm",
      [](const Model& model, const nb::object& pictures, const std::string& estimator, double max_drop,
         const std::vector<int>& sites, int count, int threads, uint64_t seed, const nb::object& progress) {
        Work work(progress);
        StaticNormOptions options;
        options.estimator = parse_norm_estimator(estimator);
        options.max_drop = max_drop;
        options.sites = sites;
        options.pictures = count;
        options.threads = threads;
        options.seed = seed;
        options.progress = work.progress();
        options.warn = work.warn();
        return work.run([&, folder = to_path(pictures)] { return fix_norms(model, folder, options); });
      },
      nb::arg("model"), nb::arg("pictures").none(), nb::kw_only(), nb::arg("estimator") = "affine",
      nb::arg("max_drop") = 0.5, nb::arg("sites") = std::vector<int>(), nb::arg("measured_pictures") = 256,
      nb::arg("threads") = 0, nb::arg("seed") = 1, nb::arg("progress") = nb::none(),
      nb::sig(
          "def static_norm(model: Model, pictures: Pictures, *, estimator: Literal['scalar', 'position', 'channel', "
          "'affine', 'ridge', 'position_ridge'] = 'affine', max_drop: float = 0.5, sites: Sequence[int] = (), "
          "measured_pictures: int = 256, threads: int = 0, seed: int = 1, progress: Progress = None) -> "
          "StaticNormResult"),
      "Replaces layer normalizations by fixed maps, measured on a folder of pictures, where that loses at most "
      "max_drop points.\n\nsites: fix so many, whatever is lost; each number is tried, the last kept. "
      "measured_pictures: at most, and as many others held out. Raises Error: too few pictures, no norm that could be "
      "fixed; KeyboardInterrupt on Ctrl-C, also where some norms are fixed already.");
}

}  // namespace tercel::python

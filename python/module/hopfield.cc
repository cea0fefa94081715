#include "tercel/hopfield.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "paths.h"
#include "records.h"
#include "work.h"

namespace tercel::python {
namespace {

void bind_records(nb::module_& module) {
  Record<HopfieldReport>(module, "HopfieldReport", "What a memory holds, and how well it answers.")
      .field("cut", &HopfieldReport::cut, "The value at which the network ends.")
      .field("features", &HopfieldReport::features, "At the cut.")
      .field("bits", &HopfieldReport::bits, "Of a pattern.")
      .field("patterns", &HopfieldReport::patterns, "Stored.")
      .field("networks", &HopfieldReport::networks, "In parallel.")
      .field("classes", &HopfieldReport::classes, "Known.")
      .field("binarization", &HopfieldReport::binarization, "How features become bits.")
      .field("rule", &HopfieldReport::rule, "By which patterns are learnt.")
      .field("assignment", &HopfieldReport::assignment, "Of patterns to networks.")
      .field("beta", &HopfieldReport::beta, "Inverse temperature of the scores.")
      .field("capacity", &HopfieldReport::capacity, "Random patterns that one network can hold.")
      .field("most_in_network", &HopfieldReport::most_in_network, "Patterns of the fullest network.")
      .field("kept", &HopfieldReport::kept, "Patterns that recall themselves.")
      .field("crosstalk", &HopfieldReport::crosstalk, "Cost of the assignment.")
      .field("fitted", &HopfieldReport::fitted, "Pictures.")
      .field("held_out", &HopfieldReport::held_out, "Pictures.")
      .field("held_out_accuracy", &HopfieldReport::held_out_accuracy, "-1: too few pictures.")
      .field("network_accuracy", &HopfieldReport::network_accuracy, "Of the network as it was; -1: other classes.")
      .field("binarizations", &HopfieldReport::binarizations, "Those tried, with their held-out accuracy.")
      .field("removed_bytes", &HopfieldReport::removed_bytes, "Constants behind the cut.")
      .field("head_bytes", &HopfieldReport::head_bytes, "Of all that the memory stores.")
      .field("memory_bytes", &HopfieldReport::memory_bytes, "That its networks take when they run.");
  Record<HopfieldResult>(module, "HopfieldResult", "A network that ends in a memory.")
      .field("model", &HopfieldResult::model, "The network.")
      .field("report", &HopfieldResult::report, "Of the memory.");
}

HopfieldOptions options_of(Work& work, int patterns_per_class, int pictures, uint64_t seed, int threads) {
  HopfieldOptions options;
  options.patterns_per_class = patterns_per_class;
  options.pictures = pictures;
  options.seed = seed;
  options.threads = threads;
  options.progress = work.progress();
  options.warn = work.warn();
  return options;
}

}  // namespace

void bind_hopfield(nb::module_& module) {
  bind_records(module);
  module.def(
      "fit_hopfield",
      [](const Model& model, const nb::object& pictures, const std::string& cut, bool pool,
         const std::string& binarization, int64_t bits, int patterns_per_class, const std::string& rule, int networks,
         const std::string& assignment, int evaluations, const std::string& recall, int max_sweeps, double beta,
         int most_pictures, uint64_t seed, int threads, const nb::object& progress) {
        Work work(progress);
        HopfieldOptions options = options_of(work, patterns_per_class, most_pictures, seed, threads);
        options.cut = cut;
        options.pool = pool;
        options.binarization = binarization;
        options.bits = bits;
        options.rule = rule;
        options.networks = networks;
        options.assignment = assignment;
        options.evaluations = evaluations;
        options.recall = recall;
        options.max_sweeps = max_sweeps;
        options.beta = beta;
        return work.run([&, folder = to_path(pictures)] { return fit_hopfield(model, folder, options); });
      },
      nb::arg("model"), nb::arg("pictures").none(), nb::kw_only(), nb::arg("cut") = "", nb::arg("pool") = false,
      nb::arg("binarization") = "", nb::arg("bits") = 0, nb::arg("patterns_per_class") = 1, nb::arg("rule") = "softmax",
      nb::arg("networks") = 1, nb::arg("assignment") = "greedy", nb::arg("evaluations") = 6000,
      nb::arg("recall") = "asynchronous", nb::arg("max_sweeps") = 50, nb::arg("beta") = 0.0,
      nb::arg("most_pictures") = 0, nb::arg("seed") = 1, nb::arg("threads") = 0, nb::arg("progress") = nb::none(),
      nb::sig(
          "def fit_hopfield(model: Model, pictures: Pictures, *, cut: str = '', pool: bool = False, binarization: "
          "Literal['', 'zero', 'median', 'hadamard', 'itq'] = '', bits: int = 0, patterns_per_class: int = 1, rule: "
          "Literal['softmax', 'pseudo_inverse', 'storkey', 'hebb'] = 'softmax', networks: int = 1, assignment: "
          "Literal['greedy', 'random', 'genetic', 'exhaustive'] = 'greedy', evaluations: int = 6000, recall: "
          "Literal['asynchronous', 'synchronous'] = 'asynchronous', max_sweeps: int = 50, beta: float = 0, "
          "most_pictures: int = 0, seed: int = 1, threads: int = 0, progress: Progress = None) -> HopfieldResult"),
      "Cuts the network and fits a Hopfield memory on labelled pictures (one folder per class, labels.tsv, or IDX) in "
      "place of its last layers.\n\ncut: a node or value; '': before the fully connected end. The same seed gives the "
      "same file. Raises Error: a cut that separates nothing, fewer than two classes, no pictures.");
  module.def(
      "add_hopfield_classes",
      [](const Model& model, const nb::object& pictures, int patterns_per_class, int most_pictures, uint64_t seed,
         int threads, const nb::object& progress) {
        Work work(progress);
        const HopfieldOptions options = options_of(work, patterns_per_class, most_pictures, seed, threads);
        return work.run([&, folder = to_path(pictures)] { return add_hopfield_classes(model, folder, options); });
      },
      nb::arg("model"), nb::arg("pictures").none(), nb::kw_only(), nb::arg("patterns_per_class") = 1,
      nb::arg("most_pictures") = 0, nb::arg("seed") = 1, nb::arg("threads") = 0, nb::arg("progress") = nb::none(),
      nb::sig(
          "def add_hopfield_classes(model: Model, pictures: Pictures, *, patterns_per_class: int = 1, most_pictures: "
          "int = 0, seed: int = 1, threads: int = 0, progress: Progress = None) -> HopfieldResult"),
      "Teaches a memory classes that it does not know, without the old pictures: a folder of one class, or one of such "
      "folders. Raises Error where the model has no memory or a class is there already.");
  module.def(
      "remove_hopfield_class",
      [](const Model& model, const std::string& name) { return remove_hopfield_class(model, name); }, nb::arg("model"),
      nb::arg("name"),
      "Forgets a class, by label or number; those behind it move up. Raises Error where there is none such.");
  module.def("in_standard_operators", &in_standard_operators, nb::arg("model"),
             "The model with its memory in standard operators only, for other runtimes. Raises Error for a memory that "
             "settles asynchronously.");
}

}  // namespace tercel::python

#include "tercel/compress.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <filesystem>
#include <utility>

#include "bindings.h"
#include "paths.h"
#include "pictures.h"
#include "records.h"
#include "work.h"

namespace tercel::python {
namespace {

struct PyCompressed {
  Compressed compressed;
  bool interrupted;
};

/// The options that compress() and compression_front() share, as Python gives them.
CompressOptions options_of(Work& work, const nb::object& pictures, const std::string& profile, int effort, bool trellis,
                           const nb::object& preprocessing, int calibration_pictures, int tuning_pictures,
                           int held_out_pictures, uint64_t seed, int threads) {
  CompressOptions options;
  options.profile = parse_profile(profile);
  if (!pictures.is_none()) options.pictures = to_path(pictures);
  options.preprocessing = to_preprocessing(preprocessing);
  options.calibration_pictures = calibration_pictures;
  options.tuning_pictures = tuning_pictures;
  options.held_out_pictures = held_out_pictures;
  options.effort = effort;
  options.trellis = trellis;
  options.seed = seed;
  options.threads = threads;
  options.progress = work.progress();
  options.warn = work.warn();
  return options;
}

void bind_records(nb::module_& module) {
  Record<LayerReport>(module, "LayerReport", "One layer as it is stored.")
      .field("constant", &LayerReport::constant, "Its weights.")
      .field("layer", &LayerReport::layer, "The node.")
      .field("rows", &LayerReport::rows, "Of the matrix.")
      .field("columns", &LayerReport::columns, "Of the matrix.")
      .field("step", &LayerReport::step, "Distance of neighbouring quantized values.")
      .field("bits_per_weight", &LayerReport::bits_per_weight, "As stored.");
  Record<CompressPoint>(module, "CompressPoint", "Size of a file, and evaluation of its answers.")
      .field("ratio", &CompressPoint::ratio, "Bytes given / bytes of the file.")
      .field("bytes", &CompressPoint::bytes, "Of the file.")
      .field("pictures", &CompressPoint::pictures,
             "Held out for the evaluation; 0: none, and the next four mean nothing.")
      .field("agreement", &CompressPoint::agreement, "Part of the pictures that keep their class, 0..1.")
      .field("kl", &CompressPoint::kl, "Mean Kullback-Leibler divergence, nats.")
      .field("top1", &CompressPoint::top1, "Part that gets the class of its label; -1 without labels.")
      .field("reference_top1", &CompressPoint::reference_top1, "The same, by the network as it was.")
      .field("asked", &CompressPoint::asked, "The ratio asked for; 0: none was.")
      .field("why_not", &CompressPoint::why_not, "Why there is no file of that ratio; '': there is.");
  Record<DropPromise>(module, "DropPromise", "What is promised for a max_drop, in points.")
      .field("limit", &DropPromise::limit, "Asked for.")
      .field("estimate", &DropPromise::estimate, "Expected to be lost.")
      .field("bound", &DropPromise::bound, "Not more, at 95 % confidence.")
      .field("promised", &DropPromise::promised, "Whether the bound is within the limit.")
      .field("why_not", &DropPromise::why_not, "'' where promised.");
  Record<CompressReport>(module, "CompressReport", "What compress() did.")
      .field("result", &CompressReport::result, "Size and answers.")
      .field("calibration_pictures", &CompressReport::calibration_pictures, "As used.")
      .field("tuning_pictures", &CompressReport::tuning_pictures, "As used.")
      .field("promise", &CompressReport::promise, "Where a max_drop was asked for.")
      .field("parameters", &CompressReport::parameters, "Elements of floating constants.")
      .field("given_bytes", &CompressReport::given_bytes, "That ratios are of.")
      .field("lossless", &CompressReport::lossless, "Every bit as it was.")
      .field("graph_bytes", &CompressReport::graph_bytes, "Nodes, names, constants that are not coded.")
      .field("vector_bytes", &CompressReport::vector_bytes, "Constants of one row.")
      .field("matrix_bytes", &CompressReport::matrix_bytes, "Weights.")
      .field("evaluations", &CompressReport::evaluations, "Candidates run on the tuning pictures.")
      .field("weighed_by", &CompressReport::weighed_by, "'Fisher information', 'input moments', 'nothing'.")
      .field("layers", &CompressReport::layers, "As stored.")
      .field("notes", &CompressReport::notes, "For people.");
}

constexpr const char* kCompressSignature =
    "def compress(model: Model, pictures: Pictures | None = None, *, max_drop: float = 0.3, target_ratio: float = 0, "
    "lossless: bool = False, force: bool = False, profile: Literal['max', 'balanced', 'fast'] = 'max', effort: int = "
    "5, "
    "trellis: bool = False, preprocessing: Preprocessing | Model | str | None = None, calibration_pictures: int = 128, "
    "tuning_pictures: int = 128, held_out_pictures: int = 256, seed: int = 1, threads: int = 0, progress: Progress = "
    "None) -> Compressed";
constexpr const char* kFrontSignature =
    "def compression_front(model: Model, ratios: Sequence[float], pictures: Pictures, *, profile: Literal['max', "
    "'balanced', 'fast'] = 'max', effort: int = 5, trellis: bool = False, preprocessing: Preprocessing | Model | str | "
    "None = None, calibration_pictures: int = 128, tuning_pictures: int = 128, held_out_pictures: int = 256, seed: int "
    "= 1, threads: int = 0, progress: Progress = None) -> Front";

}  // namespace

void bind_compress(nb::module_& module) {
  bind_records(module);
  nb::class_<PyCompressed>(module, "Compressed", "A compressed network.")
      .def(
          "to_bytes",
          [](const PyCompressed& c) { return nb::bytes(c.compressed.bytes().data(), c.compressed.bytes().size()); },
          "The .tercel file.")
      .def_prop_ro(
          "model", [](const PyCompressed& c) { return c.compressed.model(); }, "The network that the file gives back.")
      .def_prop_ro(
          "report", [](const PyCompressed& c) { return c.compressed.report(); }, "Size and answers.")
      .def_ro("interrupted", &PyCompressed::interrupted, "Ctrl-C ended the search: this is the best so far.")
      .def(
          "save",
          [](const PyCompressed& c, const nb::object& to) {
            const auto path = to_path(to);
            check_ending(path, ".tercel", ".onnx");
            const nb::gil_scoped_release unlocked;
            c.compressed.save(path);
          },
          nb::arg("path").none(), nb::sig("def save(self, path: str | os.PathLike[str]) -> None"),
          "Writes the .tercel file, whole or not at all.")
      .def("__repr__", [](const nb::object& self) {
        return "Compressed(" + nb::cast<std::string>(nb::repr(self.attr("report").attr("result"))) + ")";
      });

  module.def(
      "compress",
      [](const Model& model, const nb::object& pictures, double max_drop, double target_ratio, bool lossless,
         bool force, const std::string& profile, int effort, bool trellis, const nb::object& preprocessing,
         int calibration_pictures, int tuning_pictures, int held_out_pictures, uint64_t seed, int threads,
         const nb::object& progress) {
        Work work(progress);
        CompressOptions options = options_of(work, pictures, profile, effort, trellis, preprocessing,
                                             calibration_pictures, tuning_pictures, held_out_pictures, seed, threads);
        options.max_drop = max_drop;
        options.target_ratio = target_ratio;
        options.lossless = lossless;
        options.force = force;
        Compressed compressed = work.run([&] { return compress(model, options); });
        return PyCompressed{std::move(compressed), work.interrupted()};
      },
      nb::arg("model"), nb::arg("pictures") = nb::none(), nb::kw_only(), nb::arg("max_drop") = 0.3,
      nb::arg("target_ratio") = 0.0, nb::arg("lossless") = false, nb::arg("force") = false, nb::arg("profile") = "max",
      nb::arg("effort") = 5, nb::arg("trellis") = false, nb::arg("preprocessing") = nb::none(),
      nb::arg("calibration_pictures") = 128, nb::arg("tuning_pictures") = 128, nb::arg("held_out_pictures") = 256,
      nb::arg("seed") = 1, nb::arg("threads") = 0, nb::arg("progress") = nb::none(), nb::sig(kCompressSignature),
      "Quantizes the weights and codes them: a .tercel file.\n\n"
      "pictures: a folder for calibration, tuning and evaluation; None: only target_ratio or lossless can be asked "
      "for. "
      "max_drop: points of top-1 (without labels: of agreement) that may be lost on pictures like these; target_ratio: "
      "this ratio instead, 1 to 1000; lossless: every bit as it was. force: give the network even where that cannot be "
      "promised. profile: how weights are coded; 'fast' decodes fastest. effort: 1 to 9. progress: called with (stage, "
      "part done), False stops; or a bar of tqdm.\n\n"
      "Ctrl-C gives the best so far, with a RuntimeWarning and `interrupted`; KeyboardInterrupt where there is none. "
      "The "
      "same seed gives the same bytes. Raises Error for options out of range, pictures that cannot be read, and what "
      "cannot be promised.");
  module.def(
      "compression_front",
      [](const Model& model, const std::vector<double>& ratios, const nb::object& pictures, const std::string& profile,
         int effort, bool trellis, const nb::object& preprocessing, int calibration_pictures, int tuning_pictures,
         int held_out_pictures, uint64_t seed, int threads, const nb::object& progress) {
        Work work(progress);
        const CompressOptions options =
            options_of(work, pictures, profile, effort, trellis, preprocessing, calibration_pictures, tuning_pictures,
                       held_out_pictures, seed, threads);
        const std::vector<CompressPoint> points = work.run([&] { return compression_front(model, ratios, options); });
        return nb::object(nb::module_::import_("tercel._html").attr("Front")(nb::cast(points)));
      },
      nb::arg("model"), nb::arg("ratios"), nb::arg("pictures"), nb::kw_only(), nb::arg("profile") = "max",
      nb::arg("effort") = 5, nb::arg("trellis") = false, nb::arg("preprocessing") = nb::none(),
      nb::arg("calibration_pictures") = 128, nb::arg("tuning_pictures") = 128, nb::arg("held_out_pictures") = 256,
      nb::arg("seed") = 1, nb::arg("threads") = 0, nb::arg("progress") = nb::none(), nb::sig(kFrontSignature),
      "Accuracy against size: one CompressPoint for each ratio, in order; a chart in a notebook. A point that cannot "
      "be "
      "reached says so in why_not. Options as in compress(). Ctrl-C gives the finished points.");
}

}  // namespace tercel::python

#include "tercel/quantize.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "paths.h"
#include "pictures.h"
#include "records.h"
#include "work.h"

namespace tercel::python {
namespace {

void bind_records(nb::module_& module) {
  Record<QuantizedLayer>(module, "QuantizedLayer", "One value on levels.")
      .field("node", &QuantizedLayer::node, "What gives it; 'input' where no node does.")
      .field("op", &QuantizedLayer::op, "Its operator.")
      .field("value", &QuantizedLayer::value, "What is quantized.")
      .field("low", &QuantizedLayer::low, "Of the range.")
      .field("high", &QuantizedLayer::high, "Of the range.")
      .field("scale", &QuantizedLayer::scale, "Of a level.")
      .field("zero_point", &QuantizedLayer::zero_point, "The level of 0.")
      .field("clipped", &QuantizedLayer::clipped, "Part of the calibration's values outside the range.")
      .field("weight_sqnr", &QuantizedLayer::weight_sqnr, "dB; infinite without error, NaN where not measured.")
      .field("output_sqnr", &QuantizedLayer::output_sqnr, "dB; the same.");
  Record<LostInput>(module, "LostInput", "A product that stays in floats because levels would lose its input.")
      .field("node", &LostInput::node, "The product.")
      .field("value", &LostInput::value, "Its input.")
      .field("row_sqnr", &LostInput::row_sqnr, "dB.");
  Record<QuantizeReport>(module, "QuantizeReport", "What quantize() did, and how the answers changed.")
      .field("calibration", &QuantizeReport::calibration, "Pictures.")
      .field("held_out", &QuantizeReport::held_out, "Pictures.")
      .field("layers", &QuantizeReport::layers, "In running order.")
      .field("float_nodes", &QuantizeReport::float_nodes, "Nodes that compute in floats.")
      .field("lost", &QuantizeReport::lost, "Those of them that could have read levels.")
      .field("parameters", &QuantizeReport::parameters, "Of the network.")
      .field("quantized_parameters", &QuantizeReport::quantized_parameters, "Of these on levels.")
      .field("agreement", &QuantizeReport::agreement, "Part of the pictures that keep their class, 0..1.")
      .field("kl", &QuantizeReport::kl, "Mean Kullback-Leibler divergence, nats.")
      .field("top1", &QuantizeReport::top1, "Part answered with their label; -1 without labels.")
      .field("reference_top1", &QuantizeReport::reference_top1, "The same, by the network of floats.");
  Record<QuantizeResult>(module, "QuantizeResult", "A network on 8-bit levels.")
      .field("model", &QuantizeResult::model, "Standard ONNX with QuantizeLinear and DequantizeLinear (QDQ).")
      .field("report", &QuantizeResult::report, "How well.");
}

constexpr const char* kSignature =
    "def quantize(model: Model, pictures: Pictures, *, range: Literal['mse', 'minmax', 'percentile'] = 'mse', "
    "percentile: "
    "float = 99.99, activations: Literal['u8', 'i8', 'symmetric'] = 'u8', bias_correction: bool = True, "
    "error_feedback: "
    "bool = True, keep: Sequence[str] = (), preprocessing: Preprocessing | Model | str | None = None, "
    "calibration_pictures: int = 256, held_out_pictures: int = 256, held_out: Pictures | None = None, seed: int = 1, "
    "threads: int = 0, progress: Progress = None) -> QuantizeResult";

}  // namespace

void bind_quantize(nb::module_& module) {
  bind_records(module);
  module.def(
      "quantize",
      [](const Model& model, const nb::object& pictures, const std::string& range, double percentile,
         const std::string& activations, bool bias_correction, bool error_feedback,
         const std::vector<std::string>& keep, const nb::object& preprocessing, int calibration_pictures,
         int held_out_pictures, const nb::object& held_out, uint64_t seed, int threads, const nb::object& progress) {
        Work work(progress);
        QuantizeOptions options;
        options.range = parse_range_method(range);
        options.percentile = percentile;
        options.activations = parse_activation_levels(activations);
        options.bias_correction = bias_correction;
        options.error_feedback = error_feedback;
        options.keep = keep;
        options.preprocessing = to_preprocessing(preprocessing);
        options.calibration_pictures = calibration_pictures;
        options.held_out_pictures = held_out_pictures;
        if (!held_out.is_none()) options.held_out = to_path(held_out);
        options.seed = seed;
        options.threads = threads;
        options.progress = work.progress();
        options.warn = work.warn();
        return work.run([&, folder = to_path(pictures)] { return quantize(model, folder, options); });
      },
      nb::arg("model"), nb::arg("pictures").none(), nb::kw_only(), nb::arg("range") = "mse",
      nb::arg("percentile") = 99.99, nb::arg("activations") = "u8", nb::arg("bias_correction") = true,
      nb::arg("error_feedback") = true, nb::arg("keep") = std::vector<std::string>(),
      nb::arg("preprocessing") = nb::none(), nb::arg("calibration_pictures") = 256, nb::arg("held_out_pictures") = 256,
      nb::arg("held_out") = nb::none(), nb::arg("seed") = 1, nb::arg("threads") = 0, nb::arg("progress") = nb::none(),
      nb::sig(kSignature),
      "An int8 network (QDQ) from a folder of pictures; no labels are needed.\n\n"
      "range: how ranges of activations are chosen. keep: nodes that stay in floats. held_out: a folder of its own for "
      "the evaluation; None: the rest of `pictures`. progress: called with (stage, part done), False stops.\n"
      "Raises Error: too few pictures, a network that is quantized already, weights that are NaN; KeyboardInterrupt on "
      "Ctrl-C.");
}

}  // namespace tercel::python

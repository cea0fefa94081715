#include <fmt/format.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "arrays.h"
#include "bindings.h"
#include "paths.h"
#include "pictures.h"
#include "records.h"
#include "work.h"

namespace tercel::python {
namespace {

/// The object's bytes, which it cannot change, for as long as somebody holds the pointer.
std::shared_ptr<const void> owner_of(nb::bytes bytes) {
  auto* held = new nb::bytes(std::move(bytes));
  return {held, [](nb::bytes* object) {
            const nb::gil_scoped_acquire locked;
            delete object;
          }};
}

Model from_bytes(nb::bytes bytes, const std::string& name) {
  const std::span<const std::byte> span{static_cast<const std::byte*>(bytes.data()), bytes.size()};
  std::shared_ptr<const void> owner = owner_of(std::move(bytes));
  const nb::gil_scoped_release unlocked;
  return load(span, std::move(owner), name);
}

void bind_records(nb::module_& module) {
  Record<Port>(module, "Port", "An input or output of a model.")
      .field("name", &Port::name, "As the model calls it.")
      .field_as_word("dtype", &Port::dtype, &to_string, "'f32', 'i64', 'bool', ...")
      .field_of(
          "numpy_dtype", [](const Port& p) { return numpy_name(p.dtype); }, "'numpy.float32', ...")
      .field("shape", &Port::dims, "Extents; -1 where one is not fixed.")
      .field("axis_names", &Port::dim_names, "The symbols of extents that are not fixed; '' where there is none.")
      .field("ranked", &Port::ranked, "False: not even the number of axes is known.");
  Record<NodeInfo>(module, "NodeInfo", "One node of a model.")
      .field("name", &NodeInfo::name, "As the model calls it.")
      .field("op", &NodeInfo::op, "Its operator.")
      .field("inputs", &NodeInfo::inputs, "Names of values, '' where left out.")
      .field("outputs", &NodeInfo::outputs, "Names of values, '' where left out.")
      .field("output_types", &NodeInfo::output_types, "'f32[1x64x112x112]'.")
      .field("macs", &NodeInfo::macs, "Multiply-accumulates; -1 where shapes are open.")
      .field("parameters", &NodeInfo::parameters, "Elements of its constant floating operands.");
  Record<PassReport>(module, "PassReport", "What one pass did.")
      .field("name", &PassReport::pass, "Of the pass.")
      .field("changes", &PassReport::changes, "How many.")
      .field("notes", &PassReport::notes, "For people.");
}

}  // namespace

void bind_model(nb::module_& module) {
  bind_records(module);
  nb::class_<Model>(module, "Model",
                    "A network, which never changes; copies share it. tercel.load() reads one. Pickles as the bytes of "
                    "its file, without the log of passes and warnings.")
      .def_prop_ro("name", &Model::name, "The file it came from.")
      .def_prop_ro("inputs", &Model::inputs, "Its inputs, in order.")
      .def_prop_ro("outputs", &Model::outputs, "Its outputs, in order.")
      .def_prop_ro("nodes", &Model::nodes, "Its nodes, in running order.")
      .def_prop_ro("metadata", &Model::metadata, "metadata_props of the file: a copy.")
      .def_prop_ro("labels", &Model::labels, "Names of the classes, or [].")
      .def_prop_ro("warnings", &Model::warnings, "What was odd in the file and can be lived with.")
      .def_prop_ro("pass_log", &Model::pass_log, "What optimize() did, pass by pass; [] for a model as read.")
      .def_prop_ro("parameters", &Model::parameters, "Elements of all floating constants.")
      .def_prop_ro("parameter_bytes", &Model::parameter_bytes, "Bytes of all constants.")
      .def_prop_ro("preprocessing", &Model::preprocessing, "How a picture becomes its input, from the metadata.")
      .def("text", &Model::text, nb::arg("max_elements") = 16,
           "The graph as text; constants of more elements are shown as digests.")
      .def(
          "save_onnx",
          [](const Model& model, const nb::object& to) {
            const auto path = to_path(to);
            check_ending(path, ".onnx", ".tercel");
            const nb::gil_scoped_release unlocked;
            model.save_onnx(path);
          },
          nb::arg("path").none(), nb::sig("def save_onnx(self, path: str | os.PathLike[str]) -> None"),
          "Writes ONNX that any runtime loads, whole or not at all. Raises Error for operators that have no standard "
          "form.")
      .def(
          "to_bytes",
          [](const Model& model) {
            const std::string bytes = [&] {
              const nb::gil_scoped_release unlocked;
              return model.to_bytes();
            }();
            return nb::bytes(bytes.data(), bytes.size());
          },
          "What load() reads this network from: the .tercel file where it is what one says, else ONNX.")
      .def("with_metadata", &Model::with_metadata, nb::arg("metadata"), "This model with further metadata.")
      .def(
          "with_preprocessing",
          [](const Model& model, const nb::object& how) {
            const auto settings = to_preprocessing(how);
            if (!settings) refuse("with_preprocessing: give a Preprocessing, the name of a preset, or a model");
            return model.with_metadata(settings->to_metadata());
          },
          nb::arg("how").none(), nb::sig("def with_preprocessing(self, how: Preprocessing | Model | str) -> Model"),
          "This model with that preprocessing in its metadata.")
      .def("with_labels", &Model::with_labels, nb::arg("labels"),
           nb::sig("def with_labels(self, labels: Sequence[str]) -> Model"), "This model with these names of classes.")
      .def("with_shapes", &Model::with_shapes, nb::arg("shapes"),
           nb::sig("def with_shapes(self, shapes: Mapping[str, Sequence[int]]) -> Model"),
           "This model with fixed input shapes; -1 stays as declared.")
      .def("__reduce__",
           [](const nb::object& self) {
             return nb::make_tuple(nb::module_::import_("tercel._pickle").attr("model"),
                                   nb::make_tuple(self.attr("to_bytes")(), self.attr("name")));
           })
      .def("__repr__",
           [](const Model& model) {
             return fmt::format("Model({}: {} nodes, {} parameters)", model.name(), model.nodes().size(),
                                model.parameters());
           })
      .def(
          "_repr_html_",
          [](const nb::object& self) -> nb::object {
            return nb::module_::import_("tercel._html").attr("of_model")(self);
          },
          nb::sig("def _repr_html_(self) -> str"));

  module.def(
      "load",
      [](const nb::object& source, const std::string& name) {
        if (nb::isinstance<nb::bytes>(source)) return from_bytes(nb::borrow<nb::bytes>(source), name);
        if (nb::isinstance<nb::str>(source) || nb::hasattr(source, "__fspath__")) {
          const auto path = to_path(source);
          const nb::gil_scoped_release unlocked;
          return load(path);
        }
        if (nb::hasattr(source, "SerializeToString"))  // onnx.ModelProto
          return from_bytes(nb::cast<nb::bytes>(source.attr("SerializeToString")()), name);
        if (PyObject_CheckBuffer(source.ptr()) == 0)
          refuse(fmt::format("load: wanted a path, the bytes of a file, or an onnx.ModelProto; got {}",
                             described(source)));
        // Memory that may change: a copy.
        return from_bytes(nb::steal<nb::bytes>(PyBytes_FromObject(source.ptr())), name);
      },
      nb::arg("source").none(), nb::kw_only(), nb::arg("name") = "model",
      nb::sig("def load(source: Source, *, name: str = 'model') -> Model"),
      "Reads an ONNX or .tercel file (told apart by their first bytes).\n\n"
      "source: a path, the bytes of a file (not copied where they are `bytes`), or an onnx.ModelProto. name: stands "
      "for "
      "the file where bytes are given.\nRaises Error with a trail, file: node: attribute.");
  module.def(
      "optimize",
      [](const Model& model, const std::vector<std::string>& without, const nb::object& dump_dir) {
        const OptimizeOptions options{to_path(dump_dir), without};
        const nb::gil_scoped_release unlocked;
        return optimize(model, options);
      },
      nb::arg("model"), nb::kw_only(), nb::arg("without") = std::vector<std::string>(), nb::arg("dump_dir").none() = "",
      nb::sig(
          "def optimize(model: Model, *, without: Sequence[str] = (), dump_dir: str | os.PathLike[str] = '') -> Model"),
      "Folds and fuses; the answers stay the same and the result is still standard ONNX. Its pass_log says what was "
      "done.\n\nwithout: passes to leave out. dump_dir: gets the graph as text after every pass that changed "
      "something.\n"
      "Raises Error for a pass that there is not.");
}

}  // namespace tercel::python

#include "tercel/session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <utility>

#include "../../apps/cli/made_up_inputs.h"
#include "arrays.h"
#include "bindings.h"
#include "pictures.h"
#include "records.h"
#include "work.h"

namespace tercel::python {
namespace {

std::vector<std::string> names_of(const std::vector<Port>& ports) {
  std::vector<std::string> names;
  for (const Port& port : ports) names.push_back(port.name);
  return names;
}

/// A session, and what every call looks up.
class PySession {
 public:
  PySession(const Model& model, const SessionOptions& options)
      : model_(model),
        options_(options),
        inputs_(model.inputs()),
        outputs_(model.outputs()),
        session_(model, options) {}

  std::vector<HeldInput> held_inputs(const nb::object& given) const {
    std::vector<nb::object> objects(inputs_.size());
    const bool sequence = !is_array(given) && (nb::isinstance<nb::list>(given) || nb::isinstance<nb::tuple>(given));
    if (nb::isinstance<nb::dict>(given)) {
      take(nb::borrow<nb::dict>(given), inputs_, "input", objects);
    } else if (sequence && holds_arrays(given)) {
      if (nb::len(given) != inputs_.size())
        refuse(fmt::format("the model has {} inputs, {} arrays were given", inputs_.size(), nb::len(given)));
      for (size_t i = 0; i < objects.size(); ++i) objects[i] = given[i];
    } else {
      if (inputs_.size() != 1)
        refuse(fmt::format("the model has {} inputs: give a dict of arrays by name ({})", inputs_.size(),
                           fmt::join(names_of(inputs_), ", ")));
      objects[0] = given;
    }
    std::vector<HeldInput> held;
    held.reserve(objects.size());
    for (size_t i = 0; i < objects.size(); ++i) held.push_back(held_input(inputs_[i], objects[i]));
    return held;
  }

  nb::list run(const nb::object& given, const nb::object& out) {
    const std::vector<HeldInput> held = held_inputs(given);
    std::vector<ArrayView> views;
    views.reserve(held.size());
    for (const HeldInput& input : held) views.push_back(input.view);
    if (!out.is_none()) return run_into(views, out);
    std::vector<Array> outputs = [&] {
      const nb::gil_scoped_release unlocked;
      return session_.run(views);
    }();
    nb::list result;
    for (Array& output : outputs) result.append(to_numpy(std::move(output)));
    return result;
  }

  nb::object call(const nb::args& given) {
    const nb::list results = run(given.size() == 1 ? nb::object(given[0]) : nb::object(nb::list(given)), nb::none());
    if (results.size() != 1)
      refuse(
          fmt::format("the model has {} outputs ({}): use run()", results.size(), fmt::join(names_of(outputs_), ", ")));
    return results[0];
  }

  std::vector<Port> output_ports(const InputShapes& shapes) {
    const nb::gil_scoped_release unlocked;
    return session_.output_ports(shapes);
  }

  PlanReport prepare(const InputShapes& shapes) {
    const nb::gil_scoped_release unlocked;
    return session_.prepare(shapes);
  }

  PlanReport profile(const nb::object& given, int runs) {
    if (runs < 1 || runs > 1000000) refuse(fmt::format("profile: runs: {} is not in 1..1000000", runs));
    std::vector<Array> arrays;
    if (given.is_none()) arrays = cli::made_up_inputs(model_, model_.full_shapes());
    else
      for (const HeldInput& input : held_inputs(given)) arrays.push_back(input.view.copy());
    const nb::gil_scoped_release unlocked;
    return session_.profile(arrays, runs);
  }

  std::vector<Class> classify(const nb::object& picture, int top, const nb::object& preprocessing) {
    const std::optional<Preprocessing> how = to_preprocessing(preprocessing);
    const Image image = to_image(picture);
    const nb::gil_scoped_release unlocked;
    return how ? session_.classify(image, *how, top) : session_.classify(image, top);
  }

  const Model& model() const { return model_; }
  const SessionOptions& options() const { return options_; }

 private:
  static bool holds_arrays(const nb::object& sequence) {
    if (nb::len(sequence) == 0) return true;
    for (nb::handle item : sequence)
      if (!is_array(item)) return false;
    return true;
  }

  static void take(const nb::dict& given, const std::vector<Port>& ports, const char* kind,
                   std::vector<nb::object>& objects) {
    for (auto [key, value] : given) {
      const std::string name = nb::cast<std::string>(nb::str(key));
      const auto at = std::find_if(ports.begin(), ports.end(), [&](const Port& port) { return port.name == name; });
      if (at == ports.end())
        refuse(fmt::format("the model has no {} '{}'; there is {}", kind, name, fmt::join(names_of(ports), ", ")));
      objects[static_cast<size_t>(at - ports.begin())] = nb::borrow(value);
    }
    for (size_t i = 0; i < objects.size(); ++i)
      if (!objects[i].is_valid()) refuse(fmt::format("{} '{}' is missing", kind, ports[i].name));
  }

  nb::list run_into(const std::vector<ArrayView>& views, const nb::object& out) {
    std::vector<nb::object> objects(outputs_.size());
    if (nb::isinstance<nb::dict>(out)) {
      take(nb::borrow<nb::dict>(out), outputs_, "output", objects);
    } else if (!is_array(out) && (nb::isinstance<nb::list>(out) || nb::isinstance<nb::tuple>(out))) {
      if (nb::len(out) != outputs_.size())
        refuse(fmt::format("the model has {} outputs, out has {} arrays", outputs_.size(), nb::len(out)));
      for (size_t i = 0; i < objects.size(); ++i) objects[i] = out[i];
    } else {
      if (outputs_.size() != 1)
        refuse(fmt::format("the model has {} outputs: out is a dict of arrays by name ({})", outputs_.size(),
                           fmt::join(names_of(outputs_), ", ")));
      objects[0] = out;
    }
    std::vector<HeldOutput> held;
    held.reserve(objects.size());
    std::vector<MutableArrayView> into;
    for (size_t i = 0; i < objects.size(); ++i) {
      held.push_back(held_output(outputs_[i], objects[i]));
      into.push_back(held.back().view);
    }
    {
      const nb::gil_scoped_release unlocked;
      session_.run(views, into);
    }
    nb::list result;
    for (const nb::object& object : objects) result.append(object);
    return result;
  }

  Model model_;
  SessionOptions options_;
  std::vector<Port> inputs_, outputs_;
  Session session_;
};

void bind_records(nb::module_& module) {
  Record<Class>(module, "Class", "One answer of Session.classify().")
      .field("index", &Class::index, "Number of the class, from 0.")
      .field("label", &Class::label, "Its name; '' where the model names none.")
      .field("probability", &Class::probability,
             "Softmax of the scores, or the scores where the model ends in a softmax; NaN where it gives the class "
             "alone.");
  Record<StepReport>(module, "StepReport", "How one step of the plan is performed.")
      .field("node", &StepReport::node, "The node.")
      .field("op", &StepReport::op, "Its operator.")
      .field("variant", &StepReport::variant, "The kernel that does it; 'ref' is the slow definition.")
      .field("why_nots", &StepReport::why_nots, "Why no better kernel does it, one sentence each.")
      .field("result", &StepReport::result, "Type of the first result: 'f32[1x64x55x55]'.")
      .field("macs", &StepReport::macs, "Multiply-accumulates.")
      .field("bytes", &StepReport::bytes, "Read and written.")
      .field("ms", &StepReport::ms, "Median of the runs, in milliseconds; 0 where nothing was timed.");
  Record<PlanReport> plan(module, "PlanReport", "The plan for one set of input shapes; a table in a notebook.");
  plan.field("steps", &PlanReport::steps, "In running order.")
      .field("arena_bytes", &PlanReport::arena_bytes, "Activations, memory reused.")
      .field("unshared_bytes", &PlanReport::unshared_bytes, "The same without reuse.")
      .field("scratch_bytes", &PlanReport::scratch_bytes, "Of the kernels.")
      .field("weight_bytes", &PlanReport::weight_bytes, "Constants, packed by kernels or as they are.")
      .field("pass_log", &PlanReport::pass_log, "What the passes did.")
      .field("engine", &PlanReport::engine, "What runs it.")
      .field("threads", &PlanReport::threads, "At most so many.")
      .field("isa", &PlanReport::isa, "Instruction set.");
  plan.of()
      .def(
          "rows",
          [](const nb::object& self) {
            nb::list rows;
            for (nb::handle step : self.attr("steps")) rows.append(record_dict(step));
            return rows;
          },
          nb::sig("def rows(self) -> list[dict[str, Any]]"), "One dict a step: pandas.DataFrame(report.rows()).")
      .def(
          "_repr_html_",
          [](const nb::object& self) -> nb::object {
            return nb::module_::import_("tercel._html").attr("of_plan")(self);
          },
          nb::sig("def _repr_html_(self) -> str"));
  Record<EngineInfo>(module, "EngineInfo", "What can run a network.")
      .field("name", &EngineInfo::name, "The word of Session(engine=...).")
      .field("what", &EngineInfo::what, "What it runs on, for people.");
}

/// The keyword arguments that make the session again.
nb::dict keywords(const SessionOptions& options) {
  nb::dict out;
  out["threads"] = options.threads;
  out["engine"] = options.engine;
  out["optimize"] = options.optimize;
  out["isa"] = options.isa;
  out["precision"] = options.precision;
  out["max_memory"] = options.max_memory;
  out["without"] = options.without;
  return out;
}

}  // namespace

void bind_session(nb::module_& module) {
  bind_records(module);
  module.def("available_engines", &available_engines, "Every engine, the default first.");
  nb::class_<PySession>(module, "Session",
                        "A model made ready to run. Several threads may use one session at once: they share its "
                        "weights, each run has memory of its own, and the GIL is free meanwhile. Works after fork(), "
                        "and pickles as its model and options. Sessions of one model share packed weights.")
      .def(
          "__init__",
          [](PySession* self, const nb::object& model, int threads, const std::string& engine, bool do_optimize,
             const std::string& isa, const std::string& precision, size_t max_memory,
             const std::vector<std::string>& without) {
            SessionOptions options;
            options.threads = threads;
            options.engine = engine;
            options.optimize = do_optimize;
            options.isa = isa;
            options.precision = precision;
            options.max_memory = max_memory;
            options.without = without;
            const Model network = nb::isinstance<Model>(model)
                                      ? nb::cast<Model>(model)
                                      : nb::cast<Model>(nb::module_::import_("tercel._tercel").attr("load")(model));
            const nb::gil_scoped_release unlocked;
            new (self) PySession(network, options);
          },
          nb::arg("model").none(), nb::kw_only(), nb::arg("threads") = 0, nb::arg("engine") = "",
          nb::arg("optimize") = true, nb::arg("isa") = "", nb::arg("precision") = "", nb::arg("max_memory") = 0,
          nb::arg("without") = std::vector<std::string>(),
          nb::sig(
              "def __init__(self, model: Model | Source, *, threads: int = 0, engine: str = '', optimize: bool = "
              "True, isa: str = '', precision: str = '', max_memory: int = 0, without: Sequence[str] = ()) -> None"),
          "model: a Model, or what load() takes. threads: at most so many; 0: one per processor this process may use. "
          "engine: a name of available_engines(); '': the first. optimize: run the passes. isa: 'baseline', 'avx2', "
          "'avx512'; '': the best there is. precision: 'fp32', or 'bf16': weights in half the memory, rounded to 8 "
          "significant bits. max_memory: bytes that activations may take; 0: three quarters of the "
          "machine's. without: passes to leave out.\n\nRaises Error for options out of range and networks that the "
          "engine refuses.")
      .def_prop_ro("model", &PySession::model, "The model.")
      .def_prop_ro(
          "threads", [](const PySession& s) { return s.options().threads; }, "As given; 0: one per processor.")
      .def("run", &PySession::run, nb::arg("inputs").none(), nb::kw_only(), nb::arg("out") = nb::none(),
           nb::sig("def run(self, inputs: ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike], *, out: ArrayLike "
                   "| Sequence[ArrayLike] | Mapping[str, ArrayLike] | None = None) -> list[numpy.typing.NDArray[Any]]"),
           "One array per output of the model, in order.\n\n"
           "inputs: an array (one input), arrays in order, or a dict by name; NumPy, PyTorch, anything with the buffer "
           "protocol or DLPack, read-only too, of the input's type and in C order. They are not copied. Shapes may "
           "change from call to call; the first call with new shapes prepares a plan.\n"
           "out: arrays to write into, of the types and shapes that output_ports() gives, none of which overlaps "
           "another or an input; they are what is returned.\n"
           "Raises Error naming the input that does not fit, and what to write.")
      .def("__call__", &PySession::call, nb::arg("inputs"),
           nb::sig("def __call__(self, *inputs: ArrayLike) -> numpy.typing.NDArray[Any]"),
           "The output of a model that has one. Raises Error where it has more: use run().")
      .def("classify", &PySession::classify, nb::arg("picture").none(), nb::kw_only(), nb::arg("top") = 5,
           nb::arg("preprocessing") = nb::none(),
           nb::sig("def classify(self, picture: Picture, *, top: int = 5, preprocessing: Preprocessing | Model | str | "
                   "None = None) -> list[Class]"),
           "The `top` most likely classes, the likeliest first.\n\n"
           "picture: a path, the bytes of a file, a PIL.Image, an Image, or an array of uint8, [height, width, 3], r g "
           "b. preprocessing: in place of the model's own.\n"
           "Raises Error where the first output does not hold a score for each class (or the class), and for a "
           "preprocessing that does not fit the input.")
      .def("output_ports", &PySession::output_ports, nb::arg("shapes") = InputShapes(),
           nb::sig("def output_ports(self, shapes: Mapping[str, Sequence[int]] = {}) -> list[Port]"),
           "Types and shapes of the outputs for inputs of these shapes; what is left out is as Model declares it.")
      .def("prepare", &PySession::prepare, nb::arg("shapes") = InputShapes(),
           nb::sig("def prepare(self, shapes: Mapping[str, Sequence[int]] = {}) -> PlanReport"),
           "Makes the plan for these shapes now instead of at the first run.")
      .def("profile", &PySession::profile, nb::arg("inputs") = nb::none(), nb::kw_only(), nb::arg("runs") = 10,
           nb::sig("def profile(self, inputs: ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike] | None = None, "
                   "*, runs: int = 10) -> PlanReport"),
           "The plan with the time of each step, in milliseconds (median of `runs`). None: seeded noise.")
      .def("__reduce__",
           [](const nb::object& self) {
             const PySession& session = nb::cast<const PySession&>(self);
             return nb::make_tuple(nb::module_::import_("tercel._pickle").attr("session"),
                                   nb::make_tuple(nb::cast(session.model()), keywords(session.options())));
           })
      .def("__repr__", [](const PySession& session) { return fmt::format("Session({})", session.model().name()); });
}

}  // namespace tercel::python

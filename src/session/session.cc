#include "tercel/session.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <list>
#include <mutex>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/isa.h"
#include "base/threads.h"
#include "engines/engine.h"
#include "graph/infer.h"
#include "passes/recipe.h"
#include "session/model_impl.h"
#include "session/optimizer.h"
#include "session/picture_model.h"
#include "session/session_on.h"

namespace tercel {
namespace {

constexpr size_t kPlansKept = 4;

size_t default_memory() {
  const auto pages = static_cast<size_t>(::sysconf(_SC_PHYS_PAGES));
  return pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE)) / 4 * 3;
}

bool all_types_known(const Graph& graph) {
  for (const auto& value : graph.values())
    if (value->type.dtype == DType::none || !value->type.static_shape()) return false;
  return true;
}

/// What passes did when they ran a second time, added to what they did before.
void add_reports(std::vector<PassReport>& reports, std::vector<PassReport> more) {
  for (PassReport& report : more) {
    const auto same =
        std::find_if(reports.begin(), reports.end(), [&](const auto& r) { return r.pass == report.pass; });
    if (same == reports.end()) {
      reports.push_back(std::move(report));
      continue;
    }
    same->changes += report.changes;
    for (std::string& note : report.notes)
      if (std::find(same->notes.begin(), same->notes.end(), note) == same->notes.end())
        same->notes.push_back(std::move(note));
  }
}

const Engine& engine_of(const SessionOptions& options) {
  if (!options.reference) return find_engine(options.engine);
  if (!options.engine.empty() && options.engine != "reference")
    fail_input("'reference' asks for the reference engine, 'engine' for '{}': choose one", options.engine);
  return find_engine("reference");
}

template <typename A, typename B>
bool overlap(const A& a, const B& b) {
  const auto first = [](const auto& view) { return reinterpret_cast<uintptr_t>(view.data); };
  return a.bytes() > 0 && b.bytes() > 0 && first(a) < first(b) + b.bytes() && first(b) < first(a) + a.bytes();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle), values.end());
  return values[middle];
}

}  // namespace

struct Session::Impl {
  /// A program for one set of input shapes. Where shapes inside the network depend on values of inputs, those inputs
  /// are constants of this program, and it serves only these values.
  struct Prepared {
    std::vector<std::vector<int64_t>> shapes;
    std::vector<Array> bound_values;  // per model input; DType::none where the program does not depend on the value
    std::vector<size_t> fed;          // model input behind each program input
    std::unique_ptr<const Program> program;
    std::vector<PassReport> pass_log;
  };
  using Ready = std::shared_ptr<const Prepared>;
  /// One view per model input, or nothing where only shapes are known.
  using Values = std::optional<std::span<const ArrayView>>;

  Model model;
  SessionOptions options;
  const Engine& engine;
  Isa isa;
  bool bf16 = false;
  int threads;
  std::shared_ptr<const Lowered> lowered;  // held so that every program starts from the same weights
  std::mutex preparing;
  std::mutex listing;
  std::list<Ready> prepared;  // most recently used first

  Impl(const Model& m, const SessionOptions& o, const Engine& e) : model(m), options(o), engine(e) {
    isa = o.isa.empty() ? chosen_isa() : parse_isa(o.isa);
    if (!o.precision.empty() && o.precision != "fp32" && o.precision != "bf16")
      fail_input("precision '{}', expected fp32 or bf16", o.precision);
    bf16 = o.precision == "bf16";
    if (!machine_isa().contains(isa)) fail(ErrorCode::unsupported, "this machine has no {}", to_string(isa));
    if (o.threads < 0 || o.threads > 1024) fail_input("threads: {} is not in 0..1024", o.threads);
    check_pass_names(o.without);
    threads = o.threads == 0 ? hardware_threads() : o.threads;
    if (options.max_memory == 0) options.max_memory = default_memory();
  }

  const std::vector<Value*>& model_inputs() const { return model.impl().graph.inputs(); }

  /// The passes that bring a graph into the engine's operators. Where shapes are not known yet those of the engine
  /// wait: what they fuse depends on shapes, and what they have fused wrongly they would not take apart.
  void lower(Graph& graph, std::vector<PassReport>& reports) const {
    const auto run = [&](std::span<const Pass> passes, const char* folder) {
      append_pass_log(reports,
                      rewrite(graph, passes, options.dump_dir.empty() ? options.dump_dir : options.dump_dir / folder,
                              options.without));
    };
    if (options.optimize) run(portable_recipe(), "");
    if (all_types_known(graph)) run(engine.recipe(options.optimize), "engine");
  }

  /// The model's graph before shapes are known, after those passes that need none: every program starts here.
  std::shared_ptr<const Lowered> shared_start() const {
    return model.impl().shared->lowered(std::string(engine.name()), options.without, [&] {
      Lowered out{model.impl().graph.clone(), {}};
      rewrite(out.graph, minimal_recipe());
      infer_types(out.graph);
      lower(out.graph, out.reports);
      // Programs start from copies, so this graph must hold no weights that a pass made, nor pages that reading
      // touched: a tenth less memory for ResNet-50, for one twentieth more time to load.
      for (const auto& value : out.graph.values())
        if (value->is_constant()) value->constant.release();
      return out;
    });
  }

  /// How much of the inputs' values a program is made for, tried in this order.
  enum class Bind { shapes, integers, everything };

  Graph specialise(const Graph& start, Values values, const InputShapes& shapes, Bind bind, Prepared& out) const {
    Graph graph = start.clone();
    set_input_shapes(graph, shapes);
    out.bound_values.assign(model_inputs().size(), Array());
    if (bind != Bind::shapes) {
      const std::vector<Value*> inputs = graph.inputs();
      for (size_t i = 0; i < inputs.size(); ++i) {
        const ArrayView& view = (*values)[i];
        if (bind == Bind::integers && is_float(view.dtype)) continue;
        const Array array = view.copy();
        Tensor tensor(array.dtype(), array.dims());
        if (array.bytes() > 0) std::memcpy(tensor.mutable_data(), array.data(), array.bytes());
        graph.make_constant(inputs[i], std::move(tensor));
        out.bound_values[i] = array;
      }
    }
    append_pass_log(out.pass_log, rewrite(graph, minimal_recipe()));
    infer_types(graph);
    graph.drop_unused();
    return graph;
  }

  Ready make(Values values, const InputShapes& shapes) {
    auto out = std::make_shared<Prepared>();
    for (const Value* input : model_inputs()) out->shapes.push_back(shapes.at(input->name));
    const bool share = options.optimize && options.dump_dir.empty();
    if (share && lowered == nullptr) lowered = shared_start();
    const Graph& start = share ? lowered->graph : model.impl().graph;
    const bool ready = share && all_types_known(start);  // no pass has anything left to learn
    Graph graph = ready ? start.clone() : specialise(start, values, shapes, Bind::shapes, *out);
    if (ready) {
      set_input_shapes(graph, shapes);  // checks them
      out->bound_values.assign(model_inputs().size(), Array());
    }
    for (Bind bind : {Bind::integers, Bind::everything}) {
      if (all_types_known(graph) || !values) break;
      out->pass_log.clear();
      graph = specialise(start, values, shapes, bind, *out);
    }
    if (share) out->pass_log = lowered->reports;
    else if (options.optimize) out->pass_log.clear();
    if (!ready) {
      std::vector<PassReport> reports;
      lower(graph, reports);
      if (share) add_reports(out->pass_log, std::move(reports));
      else out->pass_log.insert(out->pass_log.end(), reports.begin(), reports.end());
    }
    for (const Value* input : graph.inputs())
      for (size_t i = 0; i < model_inputs().size(); ++i)
        if (model_inputs()[i]->name == input->name) out->fed.push_back(i);
    const ModelShared& shared = *model.impl().shared;
    out->program = engine.compile(
        graph, {isa, threads, options.max_memory, shared.packed(), shared.workspaces(), options.progress, bf16});
    return out;
  }

  static bool same_values(const std::vector<Array>& bound, Values values) {
    for (size_t i = 0; i < bound.size(); ++i) {
      if (bound[i].dtype() == DType::none) continue;
      if (!values || bound[i].bytes() != (*values)[i].bytes() ||
          (bound[i].bytes() > 0 && std::memcmp(bound[i].data(), (*values)[i].data, bound[i].bytes()) != 0))
        return false;
    }
    return true;
  }

  Ready find_prepared(Values values, const InputShapes& shapes) {
    const auto fits = [&](const Ready& p) {
      for (size_t i = 0; i < model_inputs().size(); ++i)
        if (p->shapes[i] != shapes.at(model_inputs()[i]->name)) return false;
      return same_values(p->bound_values, values);
    };
    const std::lock_guard lock(listing);
    const auto at = std::find_if(prepared.begin(), prepared.end(), fits);
    if (at == prepared.end()) return nullptr;
    prepared.splice(prepared.begin(), prepared, at);
    return *at;
  }

  Ready prepare(Values values, const InputShapes& shapes) {
    if (Ready known = find_prepared(values, shapes)) return known;
    const std::lock_guard one_at_a_time(preparing);
    if (Ready known = find_prepared(values, shapes)) return known;
    Ready fresh = at_place([&] { return model.name(); }, [&] { return make(values, shapes); });
    const std::lock_guard lock(listing);
    if (prepared.size() >= kPlansKept) prepared.pop_back();
    prepared.push_front(fresh);
    return fresh;
  }

  InputShapes shapes_of(std::span<const ArrayView> arrays) const {
    const auto& inputs = model.impl().graph.inputs();
    if (arrays.size() != inputs.size())
      fail_input("the model has {} inputs, {} arrays were given", inputs.size(), arrays.size());
    InputShapes shapes;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (arrays[i].dtype != inputs[i]->type.dtype)
        fail_input("input '{}': wanted {}, got {}", inputs[i]->name, to_string(inputs[i]->type.dtype),
                   to_string(arrays[i].dtype));
      if (arrays[i].data == nullptr && arrays[i].bytes() > 0)
        fail_input("input '{}': a view of {} bytes at no address", inputs[i]->name, arrays[i].bytes());
      shapes[inputs[i]->name] = arrays[i].dims;
    }
    return shapes;
  }

  /// `step_ms`, where given, gets the time of each step.
  void run(const Prepared& p, std::span<const ArrayView> views, std::span<std::byte* const> to, std::stop_token stop,
           std::vector<double>* step_ms) const {
    std::vector<const std::byte*> from;
    std::vector<Array> aligned;
    for (size_t i : p.fed) {
      const ArrayView& view = views[i];
      const bool fits = reinterpret_cast<uintptr_t>(view.data) % size_of(view.dtype) == 0;
      if (!fits) aligned.push_back(view.copy());
      from.push_back(fits ? view.data : aligned.back().data());
    }
    p.program->run({from, to, step_ms, std::move(stop)});
  }

  std::vector<Array> run(const Prepared& p, std::span<const ArrayView> views, std::stop_token stop,
                         std::vector<double>* step_ms) const {
    std::vector<Array> outputs;
    std::vector<std::byte*> to;
    for (const ProgramPort& port : p.program->outputs()) outputs.emplace_back(port.dtype, port.dims);
    to.reserve(outputs.size());
    for (Array& output : outputs) to.push_back(output.data());
    run(p, views, to, std::move(stop), step_ms);
    return outputs;
  }

  PlanReport report(const Prepared& p) const {
    PlanReport report = p.program->report();
    report.pass_log = p.pass_log;
    report.engine = engine.name();
    report.threads = threads;
    report.isa = to_string(isa);
    return report;
  }
};

struct SessionAccess {
  static Session make(const Engine& engine, const Model& model, const SessionOptions& options) {
    return Session(std::make_unique<Session::Impl>(model, options, engine));
  }
};

std::vector<EngineInfo> available_engines() {
  std::vector<EngineInfo> all;
  for (const Engine* engine : all_engines()) all.push_back({std::string(engine->name()), std::string(engine->what())});
  return all;
}

Session session_on(const Engine& engine, const Model& model, const SessionOptions& options) {
  return SessionAccess::make(engine, model, options);
}

Session::Session(const Model& model, const SessionOptions& options)
    : Session(std::make_unique<Impl>(model, options, engine_of(options))) {}
Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Model& Session::model() const { return impl_->model; }

std::vector<Array> Session::run(const std::vector<Array>& inputs, std::stop_token stop) {
  return run(std::vector<ArrayView>(inputs.begin(), inputs.end()), std::move(stop));
}

std::vector<Array> Session::run(std::span<const ArrayView> inputs, std::stop_token stop) {
  const Impl::Ready p = impl_->prepare(inputs, impl_->shapes_of(inputs));
  return impl_->run(*p, inputs, std::move(stop), nullptr);
}

void Session::run(std::span<const ArrayView> inputs, std::span<const MutableArrayView> outputs, std::stop_token stop) {
  const Impl::Ready p = impl_->prepare(inputs, impl_->shapes_of(inputs));
  const auto ports = p->program->outputs();
  if (outputs.size() != ports.size())
    fail_input("the model has {} outputs, {} buffers were given", ports.size(), outputs.size());
  std::vector<std::byte*> to;
  for (size_t i = 0; i < ports.size(); ++i) {
    const MutableArrayView& out = outputs[i];
    if (out.dtype != ports[i].dtype || out.dims != ports[i].dims)
      fail_input("output '{}': it is {} {}, the buffer is for {} {}", ports[i].name, to_string(ports[i].dtype),
                 to_string(ports[i].dims), to_string(out.dtype), to_string(out.dims));
    if (out.data == nullptr && out.bytes() > 0) fail_input("output '{}': a buffer at no address", ports[i].name);
    if (reinterpret_cast<uintptr_t>(out.data) % size_of(out.dtype) != 0)
      fail_input("output '{}': its buffer is not aligned for {}", ports[i].name, to_string(out.dtype));
    for (size_t k = 0; k < inputs.size(); ++k)
      if (overlap(out, inputs[k]))
        fail_input("output '{}': its buffer shares memory with input '{}'", ports[i].name,
                   impl_->model_inputs()[k]->name);
    for (size_t k = 0; k < i; ++k)
      if (overlap(out, outputs[k]))
        fail_input("output '{}': its buffer shares memory with that of '{}'", ports[i].name, ports[k].name);
    to.push_back(out.data);
  }
  impl_->run(*p, inputs, to, std::move(stop), nullptr);
}

std::vector<Port> Session::output_ports(const InputShapes& shapes) {
  const Impl::Ready p = impl_->prepare(std::nullopt, impl_->model.full_shapes(shapes));
  std::vector<Port> ports;
  for (const ProgramPort& port : p->program->outputs()) ports.push_back({port.name, port.dtype, port.dims, {}, true});
  return ports;
}

PlanReport Session::prepare(const InputShapes& shapes) {
  const InputShapes full = impl_->model.full_shapes(shapes);
  return impl_->report(*impl_->prepare(std::nullopt, full));
}

std::vector<Class> Session::classify(const Image& image, int top) {
  return classify(image, impl_->model.preprocessing(), top);
}

std::vector<Class> Session::classify(const Image& image, const Preprocessing& how, int top) {
  if (top < 1) fail_input("top: {} classes, wanted 1 or more", top);
  const FirstOutput kind = first_output(impl_->model);
  Array input(DType::f32, picture_dims(impl_->model, how));
  preprocess(image, how, input.floats());
  const std::vector<Array> outputs = run({std::move(input)});
  std::vector<float> scores = outputs.at(0).to_floats();
  if (scores.empty()) fail_input("{}: the first output is empty", impl_->model.name());
  check_answer_of_one_picture(impl_->model, kind, outputs[0].dims());
  const std::vector<std::string> labels = impl_->model.labels();
  const auto label = [&](size_t index) { return index < labels.size() ? labels[index] : ""; };
  if (kind == FirstOutput::classes) {
    const float index = scores[0];
    if (!(index >= 0 && index < 1e9f)) fail_input("{}: answers class {}", impl_->model.name(), index);
    return {{static_cast<int>(index), label(static_cast<size_t>(index)), std::numeric_limits<float>::quiet_NaN()}};
  }
  for (size_t i = 0; i < scores.size(); ++i)
    if (std::isnan(scores[i])) fail_input("{}: the score of class {} is NaN", impl_->model.name(), i);
  if (kind == FirstOutput::scores) {
    const float most = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (float& s : scores) sum += s = std::exp(s - most);
    for (float& s : scores) s = static_cast<float>(s / sum);
  }
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = std::min(static_cast<size_t>(top), order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), [&](int a, int b) {
    const float x = scores[static_cast<size_t>(a)], y = scores[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  std::vector<Class> classes;
  for (size_t i = 0; i < count; ++i) {
    const auto index = static_cast<size_t>(order[i]);
    classes.push_back({order[i], label(index), scores[index]});
  }
  return classes;
}

PlanReport Session::profile(const std::vector<Array>& inputs, int runs) {
  const std::vector<ArrayView> views(inputs.begin(), inputs.end());
  const Impl::Ready p = impl_->prepare(views, impl_->shapes_of(views));
  impl_->run(*p, views, {}, nullptr);  // warm
  std::vector<std::vector<double>> times;
  for (int i = 0; i < runs; ++i) {
    std::vector<double> step_ms;
    impl_->run(*p, views, {}, &step_ms);
    times.resize(step_ms.size());
    for (size_t step = 0; step < step_ms.size(); ++step) times[step].push_back(step_ms[step]);
  }
  PlanReport report = impl_->report(*p);
  for (size_t i = 0; i < report.steps.size() && i < times.size(); ++i) report.steps[i].ms = median(times[i]);
  return report;
}

}  // namespace tercel

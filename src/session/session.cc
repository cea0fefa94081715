#include "tercel/session.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <list>
#include <numeric>

#include "base/clock.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/threads.h"
#include "engines/cpu/executor.h"
#include "graph/infer.h"
#include "passes/recipe.h"
#include "session/model_impl.h"
#include "session/optimizer.h"
#include "session/picture_model.h"

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

std::string type_text(const Operand& operand) { return to_string(ValueType{operand.dtype, true, operand.dims}); }

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle), values.end());
  return values[middle];
}

}  // namespace

struct Session::Impl {
  /// A plan for one set of input shapes. Where shapes inside the network depend on values of inputs, those inputs are
  /// constants of this plan, and it serves only these values.
  struct Prepared {
    std::vector<std::vector<int64_t>> shapes;
    std::vector<Array> bound_values;  // per model input; DType::none where the plan does not depend on the value
    std::vector<size_t> fed;          // model input behind each plan input
    std::unique_ptr<Executor> executor;
    std::vector<PassReport> diary;
  };

  Model model;
  SessionOptions options;
  Isa isa;
  int threads;
  std::list<Prepared> prepared;  // most recently used first

  Impl(const Model& m, const SessionOptions& o) : model(m), options(o) {
    isa = o.isa.empty() ? chosen_isa() : parse_isa(o.isa);
    if (isa > machine_isa()) fail(ErrorCode::unsupported, "this machine has no {}", to_string(isa));
    if (o.threads < 0 || o.threads > 1024) fail_input("threads: {} is not in 0..1024", o.threads);
    check_pass_names(o.without);
    threads = o.threads == 0 ? hardware_threads() : o.threads;
    if (options.max_memory == 0) options.max_memory = default_memory();
  }

  /// How much of the inputs' values a plan is made for, tried in this order.
  enum class Bind { shapes, integers, everything };

  Graph specialise(const std::vector<Array>* values, const InputShapes& shapes, Bind bind, Prepared& out) const {
    Graph graph = model.impl().graph.clone();
    set_input_shapes(graph, shapes);
    out.bound_values.assign(model.impl().graph.inputs().size(), Array());
    if (bind != Bind::shapes) {
      const std::vector<Value*> inputs = graph.inputs();
      for (size_t i = 0; i < inputs.size(); ++i) {
        const Array& array = (*values)[i];
        if (bind == Bind::integers && is_float(array.dtype())) continue;
        Tensor tensor(array.dtype(), array.dims());
        if (array.bytes() > 0) std::memcpy(tensor.mutable_data(), array.data(), array.bytes());
        graph.make_constant(inputs[i], std::move(tensor));
        out.bound_values[i] = array;
      }
    }
    append_diary(out.diary, rewrite(graph, minimal_recipe()));
    infer_types(graph);
    graph.drop_unused();
    return graph;
  }

  Prepared make(const std::vector<Array>* values, const InputShapes& shapes) const {
    Prepared out;
    const auto& inputs = model.impl().graph.inputs();
    for (const Value* input : inputs) out.shapes.push_back(shapes.at(input->name));
    Graph graph = specialise(values, shapes, Bind::shapes, out);
    for (Bind bind : {Bind::integers, Bind::everything}) {
      if (all_types_known(graph) || values == nullptr) break;
      out.diary.clear();
      graph = specialise(values, shapes, bind, out);
    }
    if (options.optimize) {
      out.diary.clear();
      append_diary(out.diary, rewrite(graph, portable_recipe(), options.dump_dir, options.without));
      append_diary(out.diary,
                   rewrite(graph, engine_recipe(),
                           options.dump_dir.empty() ? options.dump_dir : options.dump_dir / "engine", options.without));
    } else if (!options.reference) {
      append_diary(out.diary, rewrite(graph, lowering_recipe()));
    }
    PlanOptions plan_options{isa, threads, options.reference, options.max_memory};
    Plan plan = make_plan(graph, plan_options);
    for (const tercel::Value* input : graph.inputs())
      for (size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i]->name == input->name) out.fed.push_back(i);
    out.executor = std::make_unique<Executor>(std::move(plan), threads);
    return out;
  }

  static bool same_values(const std::vector<Array>& bound, const std::vector<Array>* values) {
    for (size_t i = 0; i < bound.size(); ++i) {
      if (bound[i].dtype() == DType::none) continue;
      if (values == nullptr || bound[i].bytes() != (*values)[i].bytes() ||
          (bound[i].bytes() > 0 && std::memcmp(bound[i].data(), (*values)[i].data(), bound[i].bytes()) != 0))
        return false;
    }
    return true;
  }

  Prepared& prepare(const std::vector<Array>* values, const InputShapes& shapes) {
    const auto& inputs = model.impl().graph.inputs();
    const auto fits = [&](const Prepared& p) {
      for (size_t i = 0; i < inputs.size(); ++i)
        if (p.shapes[i] != shapes.at(inputs[i]->name)) return false;
      return same_values(p.bound_values, values);
    };
    const auto at = std::find_if(prepared.begin(), prepared.end(), fits);
    if (at != prepared.end()) {
      prepared.splice(prepared.begin(), prepared, at);
    } else {
      Prepared fresh = at_place([&] { return model.name(); }, [&] { return make(values, shapes); });
      if (prepared.size() >= kPlansKept) prepared.pop_back();
      prepared.push_front(std::move(fresh));
    }
    return prepared.front();
  }

  InputShapes shapes_of(const std::vector<Array>& arrays) const {
    const auto& inputs = model.impl().graph.inputs();
    if (arrays.size() != inputs.size())
      fail_input("the model has {} inputs, {} arrays were given", inputs.size(), arrays.size());
    InputShapes shapes;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (arrays[i].dtype() != inputs[i]->type.dtype)
        fail_input("input '{}': wanted {}, got {}", inputs[i]->name, to_string(inputs[i]->type.dtype),
                   to_string(arrays[i].dtype()));
      shapes[inputs[i]->name] = arrays[i].dims();
    }
    return shapes;
  }

  Prepared& run(const std::vector<Array>& arrays, const std::function<void(size_t)>* after_step = nullptr) {
    Prepared& p = prepare(&arrays, shapes_of(arrays));
    std::vector<const std::byte*> addresses;
    for (size_t i : p.fed) addresses.push_back(arrays[i].data());
    p.executor->run(addresses, after_step);
    return p;
  }

  PlanReport report(const Prepared& p) const {
    const Plan& plan = p.executor->plan();
    PlanReport report;
    report.arena_bytes = plan.arena_bytes;
    report.unshared_bytes = plan.unshared_bytes;
    report.scratch_bytes = plan.scratch_bytes;
    report.weight_bytes = plan.packed_bytes;
    for (const Tensor& tensor : plan.constants) report.weight_bytes += tensor.bytes();
    report.diary = p.diary;
    report.threads = threads;
    report.isa = to_string(isa);
    for (const Step& step : plan.steps) {
      StepReport s{
          step.node,  step.op, step.variant, {}, step.dst_types.empty() ? "" : type_text(step.dst_types[0]), step.macs,
          step.bytes, 0};
      for (const WhyNot& why : step.why_nots) s.why_nots.push_back(why.variant + ": " + why.reason);
      report.steps.push_back(std::move(s));
    }
    return report;
  }
};

Session::Session(const Model& model, const SessionOptions& options) : impl_(std::make_unique<Impl>(model, options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Model& Session::model() const { return impl_->model; }

std::vector<Array> Session::run(const std::vector<Array>& inputs) {
  const Impl::Prepared& p = impl_->run(inputs);
  std::vector<Array> outputs;
  const Plan& plan = p.executor->plan();
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    Array array(plan.outputs[i].dtype, plan.outputs[i].dims);
    if (array.bytes() > 0) std::memcpy(array.data(), p.executor->output(i), array.bytes());
    outputs.push_back(std::move(array));
  }
  return outputs;
}

PlanReport Session::prepare(const InputShapes& shapes) {
  const InputShapes full = impl_->model.full_shapes(shapes);
  return impl_->report(impl_->prepare(nullptr, full));
}

std::vector<Class> Session::classify(const Image& image, int top) {
  return classify(image, impl_->model.preprocessing(), top);
}

std::vector<Class> Session::classify(const Image& image, const Preprocessing& how, int top) {
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
    if (std::isnan(scores[i])) fail_input("{}: the score of class {} is no number (NaN)", impl_->model.name(), i);
  if (kind == FirstOutput::scores) {
    const float most = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (float& s : scores) sum += s = std::exp(s - most);
    for (float& s : scores) s = static_cast<float>(s / sum);
  }
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = static_cast<size_t>(std::clamp<int64_t>(top, 0, static_cast<int64_t>(order.size())));
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
  std::vector<std::vector<double>> times;
  double before = 0;
  Stopwatch clock;
  const std::function<void(size_t)> after_step = [&](size_t step) {
    if (times.size() <= step) times.resize(step + 1);
    const double now = clock.ms();
    times[step].push_back(now - before);
    before = now;
  };
  const Impl::Prepared* p = &impl_->run(inputs);  // warm
  for (int i = 0; i < runs; ++i) {
    before = clock.ms();
    p = &impl_->run(inputs, &after_step);
  }
  PlanReport report = impl_->report(*p);
  for (size_t i = 0; i < report.steps.size() && i < times.size(); ++i) report.steps[i].ms = median(times[i]);
  return report;
}

}  // namespace tercel

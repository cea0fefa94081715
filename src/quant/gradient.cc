#include "quant/gradient.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "base/threads.h"
#include "graph/infer.h"
#include "passes/recipe.h"
#include "quant/gradient_rule.h"
#include "quant/observe.h"
#include "quant/straight_through.h"
#include "session/model_impl.h"
#include "session/optimizer.h"

namespace tercel::inline quant {
namespace {

/// The model with its input's extents fixed and everything computed that does not depend on its elements.
Model settled(const Model& model) {
  auto impl = changeable_copy(model);
  Graph& graph = impl->graph;
  if (graph.inputs().size() != 1) fail_unsupported("gradient: {} inputs, wanted 1", graph.inputs().size());
  set_input_shapes(graph, model.full_shapes());
  rewrite(graph, dequantizing_recipe());
  infer_types(graph);
  pass_straight_through(graph);
  return Model(std::move(impl));
}

bool is_fixed(const Value* value) { return value == nullptr || value->is_constant(); }

/// The first operand that may not vary, but does; kAllOperands where there is none.
size_t first_unfree(const Node& node, const GradientRule& rule) {
  for (size_t i = rule.free; i < node.inputs.size(); ++i)
    if (!is_fixed(node.inputs[i])) return i;
  return kAllOperands;
}

Array to_array(const Dims& dims, const float* values) {
  return Array(dims, std::span(values, static_cast<size_t>(count_elements(dims))));
}

}  // namespace

float* Workspace::floats(size_t slot, int64_t count) {
  Buffer& buffer = buffers_.at(slot);
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  if (buffer.size() < bytes) {
    buffer = Buffer();  // lets the old one go before asking for more
    buffer = Buffer(bytes);
  }
  return reinterpret_cast<float*>(buffer.data());
}

const GradientRule* find_gradient_rule(std::string_view op) {
  static const auto kRules = [] {
    std::map<std::string_view, const GradientRule*> rules;
    for (auto part : {elementwise_gradient_rules(), linear_gradient_rules(), norm_gradient_rules(),
                      pool_gradient_rules(), shape_gradient_rules(), memory_gradient_rules()})
      for (const GradientRule& rule : part) rules[rule.op] = &rule;
    return rules;
  }();
  const auto at = kRules.find(op);
  return at == kRules.end() ? nullptr : at->second;
}

struct Gradient::Impl {
  struct Way {  // one node between a value and the output
    const Node* node = nullptr;
    const GradientRule* rule = nullptr;
    NodeCache cache;
  };

  Model model;  // settled
  std::vector<const Value*> wanted;
  std::vector<Way> way;                  // in running order
  std::set<const Value*> active;         // depends on a wanted value, and the output depends on it
  std::vector<const Value*> read;        // further values that rules read
  std::map<const Value*, Tensor> fixed;  // constants that rules read, aligned
  std::unique_ptr<Session> session;
  Isa isa = Isa::baseline;
  int threads = 1;
  Workspace workspace;
  std::map<const Value*, const float*> elements;         // of the run now in progress
  std::map<const Value*, std::vector<float>> gradients;  // those that are held now
  std::vector<std::vector<float>> spare;                 // memory of those that are not

  const Value* output() const { return model.impl().graph.outputs()[0]; }
  bool is_wanted(const Value* value) const { return std::find(wanted.begin(), wanted.end(), value) != wanted.end(); }

  Impl(const Model& given, const std::vector<std::string>& values, const SessionOptions& options)
      : model(settled(given)) {
    isa = options.isa.empty() ? chosen_isa() : parse_isa(options.isa);
    threads = options.threads == 0 ? hardware_threads() : options.threads;
    const Graph& graph = model.impl().graph;
    const auto need_f32 = [](const Value* value) {
      if (value->type.dtype != DType::f32 || !value->type.static_shape())
        fail_unsupported("gradient: value '{}' is {}, wanted f32 of a known shape", value->name,
                         to_string(value->type));
    };
    for (const std::string& name : values) {
      const Value* value = graph.find_value(name);
      if (value == nullptr) fail_input("gradient: no value '{}'", name);
      if (value->is_constant()) fail_input("gradient: value '{}' is a constant", name);
      need_f32(value);
      wanted.push_back(value);
    }
    need_f32(output());
    find_way();
    for (Way& step : way) {
      for (const auto* side : {&step.node->inputs, &step.node->outputs})
        for (const Value* value : *side)
          if (value != nullptr && is_active(value)) need_f32(value);
      find_reads(step);
    }
    std::vector<std::string> names = values;
    for (const Value* value : read) names.push_back(value->name);
    session = std::make_unique<Session>(with_outputs(model, names), options);
  }

  bool is_active(const Value* value) const { return active.contains(value); }

  void find_way() {
    const Graph& graph = model.impl().graph;
    std::set<const Value*> behind(wanted.begin(), wanted.end()), before{output()};
    for (const auto& node : graph.nodes()) {
      if (std::none_of(node->inputs.begin(), node->inputs.end(), [&](const Value* v) { return behind.contains(v); }))
        continue;
      // Most integers are shapes and indices, which have no derivative; these would be zero without a word.
      if (node->op.find("Quantize") != std::string::npos || node->op.find("QLinear") != std::string::npos)
        fail_unsupported("gradient: {}: no rule", node->describe());
      for (const Value* result : node->outputs)
        if (result != nullptr && is_float(result->type.dtype)) behind.insert(result);
    }
    for (size_t i = graph.nodes().size(); i-- > 0;) {
      const Node* node = graph.nodes()[i].get();
      const auto reached = [&](const Value* v) { return v != nullptr && before.contains(v) && behind.contains(v); };
      if (std::none_of(node->outputs.begin(), node->outputs.end(), reached)) continue;
      bool on_the_way = false;
      for (const Value* operand : node->inputs)
        if (operand != nullptr && behind.contains(operand)) {
          before.insert(operand);
          on_the_way = true;
        }
      if (!on_the_way) continue;  // makes a wanted value from what nobody asked about
      Way step;
      step.node = node;
      step.rule = find_gradient_rule(node->op);
      if (step.rule == nullptr) fail_unsupported("gradient: {}: no rule", node->describe());
      if (const size_t operand = first_unfree(*node, *step.rule); operand != kAllOperands)
        fail_unsupported("gradient: {}: no rule where operand {} is no constant", node->describe(), operand);
      way.push_back(std::move(step));
    }
    std::reverse(way.begin(), way.end());
    std::set_intersection(behind.begin(), behind.end(), before.begin(), before.end(),
                          std::inserter(active, active.end()));
  }

  void find_reads(const Way& step) {
    std::set<const Value*> needed;
    const auto& operands = step.node->inputs;
    for (size_t i = 0; i < operands.size(); ++i) {
      if (operands[i] == nullptr || !is_active(operands[i])) continue;
      for (size_t j = 0; j < operands.size(); ++j)
        if (step.rule->reads & (i == j ? kOwn : kOthers)) needed.insert(operands[j]);
      if (step.rule->reads & kResult) needed.insert(step.node->output());
    }
    for (const Value* value : operands)  // constants cost nothing
      if (value != nullptr && value->is_constant() && value->type.dtype == DType::f32)
        fixed.emplace(value, value->constant.aligned());
    for (const Value* value : needed)
      if (value != nullptr && !value->is_constant() && value->type.dtype == DType::f32 &&
          std::find(read.begin(), read.end(), value) == read.end())
        read.push_back(value);
  }

  const float* elements_of(const Value* value) const {
    if (value == nullptr) return nullptr;
    if (const auto at = elements.find(value); at != elements.end()) return at->second;
    const auto at = fixed.find(value);
    return at == fixed.end() ? nullptr : reinterpret_cast<const float*>(at->second.data());
  }

  /// Where the gradient of a value is gathered; zeros at first.
  float* gather(const Value* value) {
    const auto [at, fresh] = gradients.try_emplace(value);
    if (fresh) {
      const auto count = static_cast<size_t>(count_elements(value->type.dims));
      auto best = spare.end();
      for (auto i = spare.begin(); i != spare.end(); ++i)
        if (i->capacity() >= count && (best == spare.end() || i->capacity() < best->capacity())) best = i;
      if (best != spare.end()) {
        at->second = std::move(*best);
        spare.erase(best);
      }
      at->second.assign(count, 0.0f);
    }
    return at->second.data();
  }

  void release(const Value* value) {
    const auto at = gradients.find(value);
    if (at == gradients.end() || is_wanted(value)) return;
    spare.push_back(std::move(at->second));
    gradients.erase(at);
  }

  void backward(const Array& seed) {
    if (is_active(output())) std::memcpy(gather(output()), seed.data(), seed.bytes());
    for (size_t i = way.size(); i-- > 0;) {
      Way& step = way[i];
      RuleContext context{*step.node, isa, workspace, step.cache};
      bool arrived = false;
      for (const Value* result : step.node->outputs) {
        const auto at = gradients.find(result);
        context.gradients.push_back(at == gradients.end() ? nullptr : at->second.data());
        arrived |= at != gradients.end();
        context.results.push_back(elements_of(result));
      }
      if (!arrived) continue;
      for (const Value* operand : step.node->inputs) {
        context.operands.push_back(elements_of(operand));
        context.into.push_back(operand != nullptr && is_active(operand) ? gather(operand) : nullptr);
      }
      step.rule->run(context);
      for (const Value* result : step.node->outputs) release(result);
    }
  }

  void run(const Array& input, int samples, const Seed& seed, const See& see) {
    const Value* declared = model.impl().graph.inputs()[0];
    if (input.dims() != declared->type.dims)
      fail_input("gradient: input '{}': wanted shape {}, got {}", declared->name, to_string(declared->type.dims),
                 to_string(input.dims()));
    std::vector<Array> outputs = session->run({input});
    const size_t own = model.impl().graph.outputs().size();
    std::vector<Array> values;
    for (size_t i = 0; i < wanted.size(); ++i) values.push_back(std::move(outputs.at(own + i)));
    elements.clear();
    for (size_t i = 0; i < wanted.size(); ++i) elements[wanted[i]] = values[i].floats().data();
    for (size_t i = 0; i < read.size(); ++i) elements[read[i]] = outputs.at(own + wanted.size() + i).floats().data();
    const ThreadScope scope(threads);
    for (int sample = 0; sample < samples; ++sample) {
      const Array start = seed(sample, outputs[0]);
      if (start.dtype() != DType::f32 || start.dims() != outputs[0].dims())
        fail_input("gradient: the seed is {}[{}], wanted f32[{}]", to_string(start.dtype()), to_string(start.dims()),
                   to_string(outputs[0].dims()));
      backward(start);
      std::vector<Array> answers;
      for (const Value* value : wanted) answers.push_back(to_array(value->type.dims, gather(value)));
      for (auto& [value, gradient] : gradients) spare.push_back(std::move(gradient));
      gradients.clear();
      see(sample, values, answers);
    }
    elements.clear();
  }
};

Gradient::Gradient(const Model& model, const std::vector<std::string>& values, const SessionOptions& options)
    : impl_(at_place([&] { return model.name(); }, [&] { return std::make_unique<Impl>(model, values, options); })) {}
Gradient::~Gradient() = default;
Gradient::Gradient(Gradient&&) noexcept = default;
Gradient& Gradient::operator=(Gradient&&) noexcept = default;

void Gradient::run(const Array& input, int samples, const Seed& seed, const See& see) {
  impl_->run(input, samples, seed, see);
}

Array fisher_seed(const Array& output, bool probabilities, double temperature, Rng& rng) {
  const std::span<const float> scores = output.floats();
  Array seed(DType::f32, output.dims());
  if (scores.empty()) return seed;
  const size_t rows = output.dims().size() < 2 ? 1 : static_cast<size_t>(output.dims()[0]);
  const size_t classes = scores.size() / rows;
  std::vector<double> p(classes);
  constexpr double kLeast = 1e-30;  // what a softmax rounds to 0 has no gradient anyway
  for (size_t r = 0; r < rows; ++r) {
    const std::span<const float> row = scores.subspan(r * classes, classes);
    const float most = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (size_t i = 0; i < classes; ++i) {
      p[i] = probabilities ? std::pow(std::max<double>(row[i], kLeast), 1 / temperature)
                           : std::exp(static_cast<double>(row[i] - most) / temperature);
      sum += p[i];
    }
    double left = rng.uniform() * sum;
    size_t y = 0;
    while (y + 1 < classes && left >= p[y]) left -= p[y++];
    float* to = seed.floats().data() + r * classes;
    for (size_t i = 0; i < classes; ++i) {
      const double of_score = p[i] / sum - (i == y ? 1 : 0);
      to[i] = static_cast<float>(probabilities ? of_score / std::max<double>(row[i], kLeast) : of_score);
    }
  }
  return seed;
}

}  // namespace tercel::inline quant

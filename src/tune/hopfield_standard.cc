// A memory in standard operators. A softmax memory is replaced by its standard form; networks that settle
// synchronously are unrolled: max_sweeps times s <- sign(W s), with W made.
#include <algorithm>
#include <limits>
#include <map>

#include "base/error.h"
#include "graph/infer.h"
#include "graph/op.h"
#include "graph/standard_form.h"
#include "graph/verify.h"
#include "passes/match.h"
#include "session/model_impl.h"
#include "tercel/hopfield.h"
#include "tune/chain_builder.h"
#include "tune/hopfield_cut.h"

namespace tercel {
namespace {

using hopfield::BitPatterns;

/// W of all networks in f32.
constexpr int64_t kMostBytes = int64_t{1} << 30;
/// A unit flips where N * its field is that far from 0: sums of f32 are rounded.
constexpr float kNoField = 1e-3f;

Tensor constant_of(const Attr& attr) {
  if (const auto* number = std::get_if<int64_t>(&attr)) return Tensor::scalar(*number);
  return Tensor::scalar(std::get<float>(attr));
}

/// The nodes of the operator's standard form in the place of the node.
void expand(Graph& graph, Node* node) {
  const StandardForm& form = *standard_form(*node->spec);
  std::map<const Value*, Value*> made;
  for (size_t i = 0; i < form.operands.size(); ++i) made[form.operands[i]] = node->inputs.at(i);
  for (const Value* attribute : form.attributes)
    made[attribute] = graph.add_constant(attribute->name, constant_of(*node->attrs.find(attribute->name)));
  const auto value_of = [&](const Value* value) -> Value* {
    if (value == nullptr) return nullptr;
    Value*& known = made[value];
    if (known == nullptr)
      known = value->is_constant() ? graph.add_constant(value->name, value->constant) : graph.add_value(value->name);
    return known;
  };
  for (const auto& one : form.graph.nodes()) {
    std::vector<Value*> inputs, outputs;
    for (const Value* value : one->inputs) inputs.push_back(value_of(value));
    for (const Value* value : one->outputs) outputs.push_back(value_of(value));
    graph.add_node(one->op, std::move(inputs), std::move(outputs), one->attrs, one->name, node);
  }
  passes::take_over(graph, node->output(), value_of(form.graph.outputs().at(0)));
  graph.erase_node(node);
}

/// N W, for the rules whose fields are W s: what the field of a unit loses when another is flipped.
std::vector<float> weights_of(const hopfield::Network& network, int64_t bits) {
  const BitPatterns zero(bits, 1);
  const auto state = network.start(zero.row_span(0));
  std::vector<double> before(static_cast<size_t>(bits));
  for (int64_t i = 0; i < bits; ++i) before[static_cast<size_t>(i)] = state->field(i);
  std::vector<float> weights(static_cast<size_t>(bits * bits));
  for (int64_t j = 0; j < bits; ++j) {
    state->flip(j);  // from -1 to +1
    for (int64_t i = 0; i < bits; ++i)
      if (i != j)
        weights[static_cast<size_t>(j * bits + i)] =
            static_cast<float>(static_cast<double>(bits) * (state->field(i) - before[static_cast<size_t>(i)]) / 2);
    state->flip(j);
  }
  return weights;
}

std::vector<float> signs_of(const BitPatterns& patterns) {
  std::vector<float> columns;
  for (int64_t i = 0; i < patterns.bits(); ++i)
    for (int64_t k = 0; k < patterns.count(); ++k) columns.push_back(static_cast<float>(patterns.sign(k, i)));
  return columns;
}

/// Builds the unrolled networks behind x.
class Unrolled {
 public:
  Unrolled(Graph& graph, Value* x, const MemoryHead& head)
      : b_(graph, x), head_(head), bits_(head.memory.patterns.bits()) {
    zero_ = b_.constant("zero", Tensor::scalar(0.0f));
    none_ = b_.constant("no_score", Tensor::scalar(-std::numeric_limits<float>::infinity()));
    row_ = b_.constant("row_axis", integers({1}));
    Value* above = b_.add("Greater", "above_zero", {x, zero_});
    probe_ = b_.add("Where", "probe",
                    {above, b_.constant("one", Tensor::scalar(1.0f)), b_.constant("minus_one", Tensor::scalar(-1.0f))});
    Value* shape = b_.add("Shape", "probe_shape", {probe_});
    Value* zero_axis = b_.constant("first_axis", integers({0}));
    Value* rows = b_.add("Slice", "row_count", {shape, zero_axis, row_, zero_axis});
    y_shape_ = b_.add("Concat", "score_shape", {rows, b_.constant("class_count", integers({head.class_count}))},
                      {{"axis", int64_t{0}}});
    rows_ = rows;
  }

  Value* scores() {
    std::vector<Value*> parts;
    std::vector<int64_t> classes;
    for (int32_t network = 0; network < head_.memory.network_count(); ++network) {
      const std::vector<int64_t> numbers = patterns_of(network);
      if (numbers.empty()) continue;
      parts.push_back(settled(head_.memory.patterns.selected(numbers)));
      for (const int64_t k : numbers) classes.push_back(head_.memory.classes[static_cast<size_t>(k)]);
    }
    Value* all = parts.size() == 1 ? parts[0] : b_.add("Concat", "settled_parts", parts, {{"axis", int64_t{1}}});
    Value* settled_scores = by_class(all, classes, "settled");
    const std::vector<int32_t>& every = head_.memory.classes;
    Value* overlap =
        b_.add("MatMul", "overlaps", {probe_, b_.constant("patterns", pattern_columns(head_.memory.patterns))});
    Value* nearest = by_class(overlap, {every.begin(), every.end()}, "nearest");
    Value* best = b_.add("ReduceMax", "best_settled", {settled_scores, row_}, {{"keepdims", int64_t{1}}});
    Value* any = b_.add("Greater", "any_settled", {best, none_});
    const auto behind = static_cast<float>(2 * bits_ * (head_.max_sweeps + 1));
    Value* offset = b_.add("Where", "offset", {any, b_.constant("behind", Tensor::scalar(behind)), zero_});
    Value* fallback = b_.add("Sub", "fallback", {nearest, offset});
    Value* is_settled = b_.add("Greater", "is_settled", {settled_scores, none_});
    Value* chosen = b_.add("Where", "chosen", {is_settled, settled_scores, fallback});
    return b_.add("Mul", "memory_scores",
                  {chosen, b_.constant("scale", Tensor::scalar(static_cast<float>(head_.beta)))});
  }

 private:
  /// Without copies of one before: a state is matched with the first.
  std::vector<int64_t> patterns_of(int32_t network) const {
    std::vector<int64_t> numbers;
    const BitPatterns& patterns = head_.memory.patterns;
    for (int64_t k = 0; k < patterns.count(); ++k) {
      if (head_.memory.networks[static_cast<size_t>(k)] != network) continue;
      const auto same = [&](int64_t other) {
        return std::ranges::equal(patterns.row_span(other), patterns.row_span(k));
      };
      if (std::none_of(numbers.begin(), numbers.end(), same)) numbers.push_back(k);
    }
    return numbers;
  }

  Tensor pattern_columns(const BitPatterns& patterns) const {
    return floats({bits_, patterns.count()}, signs_of(patterns));
  }

  /// bits - 2 * changes of every pattern on which the network settled, minus infinity of the others.
  Value* settled(const BitPatterns& patterns) {
    const auto network = hopfield::find_rule(head_.rule).learn(patterns, {head_.rule_beta});
    Value* w = b_.constant("weights", floats({bits_, bits_}, weights_of(*network, bits_)));
    Value* least = b_.constant("least_field", Tensor::scalar(-kNoField));
    Value* state = probe_;
    Value *changes = nullptr, *last = nullptr;
    for (int64_t sweep = 0; sweep < head_.max_sweeps; ++sweep) {
      Value* field = b_.add("MatMul", "field", {state, w});
      Value* agreement = b_.add("Mul", "agreement", {field, state});
      Value* flips = b_.add("Less", "flips", {agreement, least});
      Value* ones = b_.add("Cast", "flips_f32", {flips}, {{"to", std::string("f32")}});
      last = b_.add("ReduceSum", "flip_count", {ones, row_}, {{"keepdims", int64_t{1}}});
      changes = changes == nullptr ? last : b_.add("Add", "changes", {changes, last});
      Value* inverse = b_.add("Neg", "inverse", {state});
      state = b_.add("Where", "state", {flips, inverse, state});
    }
    Value* half = b_.constant("half", Tensor::scalar(0.5f));
    Value* fixed = b_.add("Less", "fixed", {last, half});
    Value* overlap = b_.add("MatMul", "state_overlaps", {state, b_.constant("stored", pattern_columns(patterns))});
    Value* full = b_.constant("almost_all", Tensor::scalar(static_cast<float>(bits_) - 0.5f));
    Value* stored = b_.add("And", "stored_state", {b_.add("Greater", "is_stored", {overlap, full}), fixed});
    Value* lost = b_.add("Mul", "lost", {changes, b_.constant("two", Tensor::scalar(2.0f))});
    Value* score = b_.add("Sub", "score", {b_.constant("bits", Tensor::scalar(static_cast<float>(bits_))), lost});
    return b_.add("Where", "settled_scores", {stored, score, none_});
  }

  /// The largest number of each class.
  Value* by_class(Value* numbers, const std::vector<int64_t>& classes, std::string_view name) {
    const auto count = static_cast<int64_t>(classes.size());
    Value* of = b_.constant("classes", integers(classes).reshaped({1, count}));
    Value* shape =
        b_.add("Concat", "number_shape", {rows_, b_.constant("count", integers({count}))}, {{"axis", int64_t{0}}});
    Value* where = b_.add("Expand", "class_of", {of, shape});
    Value* empty = b_.add("Expand", "no_scores", {none_, y_shape_});
    return b_.add("ScatterElements", name, {empty, where, numbers},
                  {{"axis", int64_t{1}}, {"reduction", std::string("max")}});
  }

  ChainBuilder b_;
  const MemoryHead& head_;
  int64_t bits_;
  Value *zero_, *none_, *row_, *probe_, *y_shape_, *rows_;
};

void unroll(const Model& model, Graph& graph, Node* node) {
  const MemoryHead head = memory_of(model);
  if (head.rule == "softmax" || head.recall != "synchronous")
    fail_unsupported(
        "{}: {}: a memory that settles {} has no form in standard operators, which know no loop over "
        "units: fit it with synchronous recall, or with the softmax rule, which does not settle",
        model.name(), node->describe(), head.rule == "softmax" ? "under the softmax rule" : head.recall);
  const int64_t bits = head.memory.patterns.bits(), networks = head.memory.network_count();
  if (bits > kMostBytes / 4 / bits / networks)
    fail(ErrorCode::limit, "{}: {}: {} matrices of {} x {} would take more than 1 GB in standard operators",
         model.name(), node->describe(), networks, bits, bits);
  Value* scores = Unrolled(graph, node->input(0), head).scores();
  passes::take_over(graph, node->output(), scores);
  graph.erase_node(node);
}

}  // namespace

Model in_standard_operators(const Model& model) {
  memory_of(model);  // there is one
  Graph graph = model.impl().graph.clone();
  std::vector<Node*> own;
  for (const auto& node : graph.nodes())
    if (node->spec->domain == Domain::tercel) own.push_back(node.get());
  for (Node* node : own) {
    if (standard_form(*node->spec) != nullptr) expand(graph, node);
    else unroll(model, graph, node);
  }
  graph.drop_unused();
  graph.sort();
  infer_types(graph);
  verify(graph, "in_standard_operators");
  return Model(impl_with(model, std::move(graph)));
}

}  // namespace tercel

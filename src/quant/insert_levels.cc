#include "quant/insert_levels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>

#include "base/check.h"
#include "base/error.h"
#include "graph/infer.h"
#include "graph/verify.h"
#include "quant/curvature.h"
#include "quant/range.h"
#include "quant/weight_levels.h"

namespace tercel::inline quant {
namespace {

// A bias takes no more of a 32-bit sum than that, and a step of sums is no smaller part of a step of the result: a
// channel of tiny weights gets a larger scale (tensor/requantize.h).
constexpr double kLargestBias = 1 << 28, kSmallestRatio = 0x1p-30;

Tensor zeros(DType dtype, int64_t count) {
  Tensor tensor(dtype, Dims{count});
  std::fill_n(tensor.mutable_data(), tensor.bytes(), std::byte{0});
  return tensor;
}

class Inserting {
 public:
  Inserting(Graph& graph, const LevelChoice& choice, const LevelScales& scales, ActivationLevels levels,
            bool with_biases, const std::map<std::string, Moments>& moments)
      : graph_(graph),
        choice_(choice),
        scales_(scales),
        levels_(levels),
        with_biases_(with_biases),
        moments_(moments) {}

  InsertedLevels run() {
    std::map<const Node*, const Node*> next;
    const Node* before = nullptr;
    for (const auto& node : graph_.nodes()) next[before] = node.get(), before = node.get();
    for (const LevelValue& v : choice_.values) {
      const auto at = next.find(v.value->producer);
      insert_around(v, at == next.end() ? nullptr : at->second);
    }
    for (const LevelProduct& p : choice_.products) done_.products.push_back(insert_product(p));
    graph_.drop_unused();
    infer_types(graph_);
    verify(graph_, "quantization");
    return std::move(done_);
  }

 private:
  const QuantizationPtr& scale_of(const Value* value) const {
    const LevelValue* v = choice_.find(value);
    TERCEL_CHECK(v != nullptr);
    return scales_.at(v->like);
  }

  /// Constants for a scale and a zero point, made once.
  std::pair<Value*, Value*> constants_of(const Value* like) {
    auto& made = constants_[like];
    if (made.first == nullptr) {
      const Quantization& q = *scales_.at(like);
      made.first = graph_.add_constant(like->name + ".scale", Tensor::scalar(q.scales[0]));
      made.second = graph_.add_constant(
          like->name + ".zero_point", dtype_of(levels_) == DType::u8 ? Tensor::scalar(static_cast<uint8_t>(q.zeros[0]))
                                                                     : Tensor::scalar(static_cast<int8_t>(q.zeros[0])));
    }
    return made;
  }

  void insert_around(const LevelValue& v, const Node* before) {
    Value* x = v.value;
    const std::vector<Node*> users = x->users;
    const auto [scale, zero] = constants_of(v.like);
    const std::string name = x->name;
    Value* q = graph_.add_value(name + ".levels", {dtype_of(levels_), x->type.ranked, x->type.dims});
    graph_.add_node("QuantizeLinear", {x, scale, zero}, {q}, {}, name + ".quantize", before);
    Value* dq = graph_.add_value(name + ".dequantized", {DType::f32, x->type.ranked, x->type.dims});
    graph_.add_node("DequantizeLinear", {q, scale, zero}, {dq}, {}, name + ".dequantize", before);
    // Where floats make the value, floats may read it as it is.
    for (Node* user : users) {
      if (v.by == nullptr && !choice_.nodes.contains(user)) continue;
      for (size_t i = 0; i < user->inputs.size(); ++i)
        if (user->inputs[i] == x) graph_.set_input(user, i, dq);
    }
    done_.dequantized[x] = dq;
    if (v.by == nullptr || !graph_.is_output(x)) return;
    for (size_t i = 0; i < graph_.outputs().size(); ++i)
      if (graph_.outputs()[i] == x) graph_.set_output(i, dq);
    graph_.rename(x, name + ".unquantized");
    graph_.rename(dq, name);
  }

  InsertedProduct insert_product(const LevelProduct& p) {
    const bool conv = p.node->is("Conv"), gemm = p.node->is("Gemm");
    const float alpha = gemm ? p.node->attrs.get_float("alpha") : 1, beta = gemm ? p.node->attrs.get_float("beta") : 1;
    InsertedProduct done;
    done.node = p.node;
    done.sums = p.sums->name;
    done.channel_axis_from_end = p.channel_axis_from_end;
    if (p.bias != nullptr) {
      const std::vector<double> given = p.bias->constant.to_doubles();
      for (int64_t c = 0; c < p.channels; ++c)
        done.bias.push_back(beta * static_cast<float>(given[given.size() == 1 ? 0 : static_cast<size_t>(c)]));
    } else if (with_biases_ && (conv || gemm)) {
      done.bias.assign(static_cast<size_t>(p.channels), 0.0f);
    }

    const Value* read =
        p.node->input(0)->producer->input(0)->producer->input(0);  // what its DequantizeLinear stands for
    const double x_scale = static_cast<double>(scale_of(read)->scales[0]);
    const auto result =
        std::find_if(choice_.values.begin(), choice_.values.end(), [&](const LevelValue& v) { return v.by == p.node; });
    std::vector<float> least(static_cast<size_t>(p.channels), std::numeric_limits<float>::min());
    if (result != choice_.values.end()) {
      const double y_scale = static_cast<double>(scales_.at(result->like)->scales[0]);
      std::fill(least.begin(), least.end(), static_cast<float>(kSmallestRatio * y_scale / x_scale));
    }
    for (size_t c = 0; c < done.bias.size(); ++c)
      least[c] = std::max(least[c], static_cast<float>(std::abs(done.bias[c]) / (x_scale * kLargestBias)));

    Value* weights = p.node->input(1);
    std::optional<Curvature> curvature;
    if (const auto measured = moments_.find(weights->name); measured != moments_.end())
      curvature = factorize(measured->second, !done.bias.empty());
    const WeightLevels w =
        weights_to_levels(weights->constant, p.weight_axis, alpha, least, curvature ? &*curvature : nullptr);
    done.weight_signal = w.signal, done.weight_noise = w.noise;
    const Attrs axis{{"axis", static_cast<int64_t>(p.weight_axis)}};
    // Weights that several products read are stored once, where their scales are the same.
    auto& stored = weights_[{weights, p.weight_axis, w.scales}];
    if (stored[0] == nullptr) {
      stored[0] = graph_.add_constant(weights->name + ".levels", w.levels);
      stored[1] = graph_.add_constant(weights->name + ".scale", Tensor::of<float>({p.channels}, w.scales));
      stored[2] = graph_.add_constant(weights->name + ".zero_point", zeros(DType::i8, p.channels));
    }
    Value* dequantized = graph_.add_value(weights->name + ".dequantized", weights->type);
    done.first = graph_.add_node("DequantizeLinear", {stored[0], stored[1], stored[2]}, {dequantized}, axis,
                                 weights->name + ".dequantize", p.node);
    graph_.set_input(p.node, 1, dequantized);
    if (gemm) p.node->attrs.set("alpha", 1.0f), p.node->attrs.set("beta", 1.0f);
    if (done.bias.empty()) return done;

    const std::string name = p.bias != nullptr ? p.bias->name : weights->name + ".bias";
    if (p.bias_add != nullptr) {
      done.stored = graph_.add_constant(name, zeros(DType::f32, p.channels));
      for (size_t i = 0; i < p.bias_add->inputs.size(); ++i)
        if (p.bias_add->inputs[i] == p.bias) graph_.set_input(p.bias_add, i, done.stored);
    } else {
      for (float scale : w.scales) done.units.push_back(static_cast<float>(x_scale) * scale);
      done.stored = graph_.add_constant(name + ".levels", zeros(DType::i32, p.channels));
      Value* scale = graph_.add_constant(name + ".scale", Tensor::of<float>({p.channels}, done.units));
      Value* zero = graph_.add_constant(name + ".zero_point", zeros(DType::i32, p.channels));
      Value* bias = graph_.add_value(name + ".dequantized", {DType::f32, true, {p.channels}});
      graph_.add_node("DequantizeLinear", {done.stored, scale, zero}, {bias}, {{"axis", int64_t{0}}},
                      name + ".dequantize", p.node);
      graph_.set_input(p.node, 2, bias);
    }
    done.store_bias();
    return done;
  }

  Graph& graph_;
  const LevelChoice& choice_;
  const LevelScales& scales_;
  ActivationLevels levels_;
  bool with_biases_;
  const std::map<std::string, Moments>& moments_;
  InsertedLevels done_;
  std::map<const Value*, std::pair<Value*, Value*>> constants_;
  std::map<std::tuple<const Value*, size_t, std::vector<float>>, std::array<Value*, 3>> weights_;
};

}  // namespace

void InsertedProduct::store_bias() const {
  const auto channels = static_cast<int64_t>(bias.size());
  if (units.empty()) {
    stored->constant = Tensor::of<float>({channels}, bias);
    return;
  }
  std::vector<int32_t> levels;
  for (size_t c = 0; c < bias.size(); ++c)
    levels.push_back(static_cast<int32_t>(std::clamp(
        std::nearbyint(static_cast<double>(bias[c]) / static_cast<double>(units[c])), -kLargestBias, kLargestBias)));
  stored->constant = Tensor::of<int32_t>({channels}, levels);
}

InsertedLevels insert_levels(Graph& graph, const LevelChoice& choice, const LevelScales& scales,
                             ActivationLevels levels, bool with_biases, const std::map<std::string, Moments>& moments) {
  return Inserting(graph, choice, scales, levels, with_biases, moments).run();
}

}  // namespace tercel::inline quant

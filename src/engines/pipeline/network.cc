#include "engines/pipeline/network.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <set>

#include "base/bits.h"
#include "base/error.h"
#include "engines/pipeline/core.h"
#include "engines/pipeline/feature_memory.h"
#include "engines/pipeline/host_ends.h"
#include "engines/pipeline/layer_writer.h"
#include "engines/pipeline/pipeline_engine.h"
#include "passes/match.h"
#include "tensor/normalize_levels.h"

namespace tercel::inline engines {
namespace {

/// Goes through the nodes in their order; each becomes a layer with what follows it, or is the host's.
class Builder {
 public:
  Builder(const Graph& graph, const DesignPoint& design, const TileLimits& limits, bool pack)
      : graph_(graph),
        pack_(pack),
        memory_(graph, design.vec),
        host_(graph, memory_, net_),
        writer_(net_, memory_, limits, pack) {
    net_.design = design;
  }

  void build() {
    for (const auto& node : graph_.nodes()) {
      if (done_.contains(node.get()) || needs_refused(*node)) continue;
      try {
        add(*node);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::unsupported && error.code() != ErrorCode::limit) throw;
        refusals_.push_back({node->describe(), error.what()});
        for (const Value* output : node->outputs) refused_.insert(output);
      }
    }
    if (net_.layers.empty() && refusals_.empty())
      refusals_.push_back({"the network", "nothing in it is for the pipeline: no node computes on levels"});
    if (refusals_.empty()) host_.finish(refusals_);
    net_.feature_words = memory_.words();
    // Whatever lies behind them in memory is aligned for its words.
    net_.data_words = narrow(round_up(net_.data_words, 256));
    net_.row_words = narrow(round_up(net_.row_words, 16));
  }

  std::vector<Refusal> refusals_;
  PipelineNetwork net_;

 private:
  bool needs_refused(const Node& node) {
    for (const Value* input : node.inputs)
      if (refused_.contains(input)) {
        for (const Value* output : node.outputs) refused_.insert(output);
        return true;
      }
    return false;
  }

  void add(Node& node) {
    if (node.output() == nullptr) return;
    if (!node.output()->type.static_shape()) fail_unsupported("the shape of its result is not known");
    if (node.is("QuantizeLinear")) return host_.quantize_input(node);
    if (node.is("DequantizeLinear")) return host_.dequantize_output(node);
    if (node.output()->type.dtype == DType::f32) return host_.tail_node(node);
    if (!is_level_type(node.output()->type.dtype))
      fail_unsupported("the pipeline has no levels of {}", to_string(node.output()->type.dtype));
    const auto in = [&]() -> const FeatureMap& { return operand(node.input(0)); };
    if (node.is("FusedConv")) return add_chain(node, convolution_core(node, in(), pack_));
    if (node.is("FusedMatMul")) return add_chain(node, product_core(node, host_.levels(node.input(0)), pack_));
    if (node.is("AveragePool") || node.is("GlobalAveragePool")) return average(node, in());
    if (node.is("Requantize")) return add_chain(node, requantize_core(node, in()));
    if (node.is("Slice") || node.is("Pad") || node.is("Split")) return select(node, in());
    if (node.is("MaxPool")) return max_pool(node, in());
    if (node.is("FusedAdd")) return sum(node, in());
    if (node.is("Concat")) return concat(node);
    if (node.is("LRN")) return normalize(node);
    if (shuffle(node)) return;
    if (node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze") || node.is("Identity"))
      return relabel(node);
    fail_unsupported("the pipeline has no stage for {}", node.op);
  }

  /// An operand whose elements lie as its extents say.
  const FeatureMap& operand(const Value* value) {
    const FeatureMap& map = host_.levels(value);
    if (!map.lies_as(value->type.dims)) fail_unsupported("its input was given another shape on the way");
    return map;
  }

  void average(Node& node, const FeatureMap& in) {
    const std::vector<AveragePart> parts = average_parts(node, in);
    if (parts.size() == 1) return add_chain(node, parts[0].core);
    const FeatureMap& whole = memory_.place(node.output());
    for (const AveragePart& part : parts) {
      FeatureMap out = whole;
      out.at += part.row * whole.width + part.column;
      writer_.layer({&node, node.op, node.output()}, part.core, in, out);
    }
  }

  /// Channels that begin with a word are read where they lie.
  void select(Node& node, const FeatureMap& in) {
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Selection taken = selection_of(node, i, in);
      const SliceRange& channels = taken.channels;
      if (taken.rows == SliceRange{0, 1, in.height} && taken.columns == SliceRange{0, 1, in.width} &&
          channels.step == 1 && channels.first >= 0 && channels.first + channels.count <= in.channels &&
          channels.first % net_.design.vec == 0) {
        FeatureMap part = in;
        part.channel += channels.first;
        part.channels = channels.count;
        memory_.alias(node.outputs[i], part);
      } else {
        add_chain(node, select_core(in, taken), i);
      }
    }
  }

  /// Channels in another order: a Reshape that groups them, a Transpose of the groups, a Reshape back.
  bool shuffle(Node& node) {
    Node* turn = sole_user(graph_, node.output());
    Node* back = turn != nullptr && turn->is("Transpose") ? sole_user(graph_, turn->output()) : nullptr;
    if (!node.is("Reshape") || back == nullptr || !back->is("Reshape")) return false;
    const Dims &whole = node.input(0)->type.dims, &grouped = node.output()->type.dims;
    if (back->output()->type.dims != whole || whole.size() < 2 || grouped.size() < 3 || grouped[0] != whole[0] ||
        grouped[1] * grouped[2] != whole[1])
      return false;
    std::vector<int64_t> turned(grouped.size());
    std::iota(turned.begin(), turned.end(), 0);
    std::swap(turned[1], turned[2]);
    if (turn->attrs.get_ints("perm") != turned) return false;
    std::vector<int64_t> from;
    for (int64_t i = 0; i < grouped[2]; ++i)
      for (int64_t group = 0; group < grouped[1]; ++group) from.push_back(group * grouped[2] + i);
    const FeatureMap& in = operand(node.input(0));
    Chain chain{&node, node.op, node.output()};
    take(chain, *turn);
    take(chain, *back);
    writer_.layer(chain, order_core(in, from), in, memory_.place(chain.result));
    return true;
  }

  void max_pool(const Node& node, const FeatureMap& in) {
    Chain chain{&node, node.op, node.output()};
    chain.pool = pool_of(node);
    if (!chain.pool) fail_unsupported("the pipeline's pools have rows, columns and one result");
    writer_.layer(chain, copy_core(in), in, memory_.place(chain.result));
  }

  void sum(const Node& node, const FeatureMap& in) {
    operand(node.input(1));
    Chain chain{&node, node.op, node.output()};
    chain.sum = &node;
    writer_.layer(chain, copy_core(in), in, memory_.place(chain.result));
  }

  void concat(Node& node) {
    if (!joins_channels(node)) fail_unsupported("the pipeline joins channels (axis 1) only");
    const FeatureMap* found = memory_.find(node.output());
    const FeatureMap& whole = found != nullptr ? *found : memory_.place(node.output());
    int64_t channel = 0;
    for (const Value* part : node.inputs) {
      const FeatureMap& in = operand(part);
      const bool in_place = in.at == whole.at && in.channel == whole.channel + channel;
      if (!in_place) {
        FeatureMap out = in;
        out.at = whole.at, out.image_words = whole.image_words, out.words = whole.words;
        out.channel = whole.channel + channel;
        writer_.layer({&node, "Concat", nullptr}, copy_core(in), in, out);
      }
      channel += in.channels;
    }
  }

  void normalize(Node& node) {
    const FeatureMap& in = operand(node.input(0));
    const FeatureMap& out = memory_.place(node.output());
    const auto levels = LevelNorm::of(node.attrs, *in.quantization, *out.quantization);
    if (!levels) fail_unsupported("a factor or a sum of squares does not fit 32 bits");
    writer_.norm(node, *levels, in, out);
  }

  void relabel(Node& node) {
    const FeatureMap& in = host_.levels(node.input(0));
    const Dims &from = node.input(0)->type.dims, &to = node.output()->type.dims;
    if (from.empty() || to.empty() || from[0] != to[0])
      fail_unsupported("gives levels another shape: {}", to_string(to));
    const Dims tail(to.begin() + 1, to.end());
    const bool same = tail == Dims(from.begin() + 1, from.end());
    const bool vector = in.plane() == 1 && to.size() >= 2 && to[1] == in.channels;
    if (!same && !vector && to.size() != 2 && !in.lies_as(to))
      fail_unsupported("gives levels another shape: {}", to_string(to));
    memory_.alias(node.output(), in);
  }

  /// The node, and the pool and the sum behind it where nobody else reads what is between.
  void add_chain(Node& node, const Core& core, size_t output = 0) {
    Chain chain{&node, node.op, node.outputs[output]};
    if (Node* user = sole_user(graph_, chain.result);
        user != nullptr && user->is("MaxPool") && !core.images_side_by_side)
      if (auto pool = pool_of(*user)) {
        chain.pool = pool;
        take(chain, *user);
      }
    if (Node* user = sole_user(graph_, chain.result); user != nullptr && user->is("FusedAdd"))
      if (const Value* other = other_operand(*user, chain.result); lies_ready(*other) &&
                                                                   other->type.dims == user->output()->type.dims &&
                                                                   chain.result->type.dims == other->type.dims) {
        chain.sum = user;
        chain.sum_operand = user->input(0) == chain.result ? 0 : 1;
        take(chain, *user);
      }
    writer_.layer(chain, core, memory_.at(node.input(0)), memory_.place(chain.result));
  }

  bool lies_ready(const Value& value) const {
    const FeatureMap* map = memory_.find(&value);
    return map != nullptr && map->lies_as(value.type.dims);
  }

  void take(Chain& chain, Node& node) {
    done_.insert(&node);
    chain.ops += " + " + node.op;
    chain.result = node.output();
  }

  const Graph& graph_;
  bool pack_;
  FeatureMemory memory_;
  HostEnds host_;
  LayerWriter writer_;
  std::set<const Node*> done_;
  std::set<const Value*> refused_;
};

}  // namespace

int64_t PipelineNetwork::ring_bytes() const {
  return round_up(int64_t{data_words} * design.vec + int64_t{row_words} * design.lane * 6, int64_t{4096});
}

std::string PipelineNetwork::kernel_options(const LeastBuffers& least) const {
  const auto power = [](int wanted, int at_least) {
    return std::bit_ceil(static_cast<unsigned>(std::max(wanted, at_least)));
  };
  return fmt::format(
      "-DVEC={} -DLANE={} -DWINDOW_X={} -DWINDOW_WORDS={} -DWEIGHT_WORDS={} -DPOOL_LINES={} -DPOOL_COLUMNS={} "
      "-DDATA_DEPTH={} -DSUMS_DEPTH={} -DLEVELS_DEPTH={} -DPOOLED_DEPTH={}",
      design.vec, design.lane, design.window_x, power(window_words, least.window_words),
      power(weight_words, least.weight_words), power(pool_lines, least.pool_lines),
      power(pool_columns, least.pool_columns), design.depths.data, design.depths.sums, design.depths.levels,
      design.depths.pooled);
}

std::vector<Refusal> pipeline_refusals(const Graph& graph, const DesignPoint& design) {
  Builder builder(graph, design, {}, false);
  builder.build();
  return std::move(builder.refusals_);
}

PipelineNetwork make_pipeline_network(const Graph& graph, const DesignPoint& design, const TileLimits& limits) {
  Builder builder(graph, design, limits, true);
  builder.build();
  fail_refused(pipeline_engine(), builder.refusals_);
  return std::move(builder.net_);
}

}  // namespace tercel::inline engines

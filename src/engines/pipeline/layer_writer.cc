#include "engines/pipeline/layer_writer.h"

#include <algorithm>

#include "base/bits.h"
#include "base/error.h"
#include "engines/pipeline/layer_packing.h"
#include "kernels/levels.h"

namespace tercel::inline engines {
namespace {

PipelineLayer named(const Node& node, std::string ops, const Value* result) {
  PipelineLayer layer;
  layer.node = node.name.empty() ? node.output()->name : node.name;
  layer.op = std::move(ops);
  if (result != nullptr) layer.result = to_string(result->type);
  return layer;
}

}  // namespace

void LayerWriter::layer(const Chain& chain, const Core& core, const FeatureMap& in, const FeatureMap& out) {
  const DesignPoint& design = net_.design;
  const LayerArithmetic& a = core.arithmetic;
  const LayerShares shares = shares_of(a, design);
  PipelineLayer planned = named(*chain.first, chain.ops, chain.result);
  planned.macs = core.macs;
  Layer& l = planned.layer;
  const bool beside = core.images_side_by_side;
  l.mode = a.by_channel ? LAYER_CHANNEL : LAYER_DOT;
  l.images = narrow(beside ? 1 : in.images);
  l.lane_groups = narrow(shares.lane_groups);
  l.groups_of_lanes = narrow(shares.groups_of_lanes);

  l.in_at = narrow(in.first_word(design.vec));
  l.in_image_words = narrow(in.image_words);
  l.in_words = narrow(in.words - in.channel / design.vec);
  l.in_h = narrow(in.height);
  l.image_w = narrow(in.width);
  l.in_w = narrow(beside ? in.width * in.images : in.width);
  l.pad_level = in.zero();

  const auto& [rows, columns] = a.window;
  l.kernel_h = narrow(rows.kernel), l.kernel_w = narrow(columns.kernel);
  l.stride_h = narrow(rows.stride), l.stride_w = narrow(beside ? in.width : columns.stride);
  l.dilation_h = narrow(rows.dilation), l.dilation_w = narrow(columns.dilation);
  l.pad_top = narrow(rows.pad_begin), l.pad_left = narrow(columns.pad_begin);
  l.words_per_tap = narrow(shares.words_per_tap);
  l.channels_in_group = narrow(a.in_channels * shares.together);
  l.taps = narrow(shares.taps);

  l.out_h = narrow(rows.output);
  l.out_w = narrow(beside ? in.images : columns.output);
  l.pool_h = l.pool_w = l.pool_stride_h = l.pool_stride_w = 1;
  l.pooled_h = l.out_h, l.pooled_w = l.out_w;
  if (chain.pool) {
    const auto& [pool_rows, pool_columns] = *chain.pool;
    l.pool_h = narrow(pool_rows.kernel), l.pool_w = narrow(pool_columns.kernel);
    l.pool_stride_h = narrow(pool_rows.stride), l.pool_stride_w = narrow(pool_columns.stride);
    l.pool_top = narrow(pool_rows.pad_begin), l.pool_left = narrow(pool_columns.pad_begin);
    l.pooled_h = narrow(pool_rows.output), l.pooled_w = narrow(pool_columns.output);
    net_.pool_lines = std::max(net_.pool_lines, l.pool_h);
    net_.pool_columns = std::max(net_.pool_columns, l.out_w);
  }
  l.low = core.range.low, l.high = core.range.high, l.zero = core.range.zero;

  l.out_at = narrow(out.at), l.out_image_words = narrow(out.image_words);
  l.out_plane = narrow(out.plane());
  l.out_image_w = beside ? 1 : narrow(out.width);
  l.out_channel = narrow(out.channel);
  l.channels_to_group = narrow(a.by_channel ? a.out_channels : a.out_channels / a.groups * shares.together);
  if (chain.sum != nullptr) residual(l, *chain.sum, chain.sum_operand);

  group_and_bands(l);
  l.keep_weights = int64_t{l.out_h} * l.out_w > l.group || l.images > 1;  // else each weight is wanted once
  if (l.keep_weights && design.weight_buffer_words > 0 && l.taps > design.weight_buffer_words)
    fail_unsupported("keeps {} words of weights, but weight_buffer_words is {}: make it larger, or vec", l.taps,
                     design.weight_buffer_words);
  if (l.keep_weights) net_.weight_words = std::max(net_.weight_words, l.taps);
  l.weights_at = narrow(static_cast<int64_t>(net_.weights.size()) / (design.vec * design.lane));
  l.scales_at = narrow(static_cast<int64_t>(net_.scales.size()) / (4 * design.lane));
  if (pack_) {
    pack_weights(a, design, net_.weights);
    pack_scales(a, in.zero(), design, net_.scales);
  }
  net_.layers.push_back(std::move(planned));
}

void LayerWriter::residual(Layer& l, const Node& node, size_t mine) {
  const Value &a = *node.input(0), &b = *node.input(1), &y = *node.output();
  if (a.type.dims != y.type.dims || b.type.dims != y.type.dims)
    fail_unsupported("adds {} and {}: the pipeline does not broadcast", to_string(a.type), to_string(b.type));
  const TwoRatios ratios = sum_ratios(*meaning_of(a), *meaning_of(b), *meaning_of(y));
  const FeatureMap other = memory_.at(mine == 0 ? &b : &a);
  l.add = 1;
  l.add_at = narrow(other.at), l.add_image_words = narrow(other.image_words), l.add_plane = narrow(other.plane());
  l.add_channel = narrow(other.channel);
  l.add_zero = other.zero();
  l.add_multiplier = narrow(mine == 0 ? ratios.b : ratios.a);
  l.sum_multiplier = narrow(mine == 0 ? ratios.a : ratios.b);
  l.add_shift = ratios.shift;
  const LevelRange range = range_in_memory(node, y);
  l.sum_low = range.low, l.sum_high = range.high, l.sum_zero = range.zero;
}

void LayerWriter::group_and_bands(Layer& l) {
  // Without a limit window groups may grow to what a processor's caches hold.
  const int64_t most = net_.design.window_buffer_words > 0 ? net_.design.window_buffer_words : 1 << 14;
  const int64_t reach = int64_t{l.kernel_w - 1} * l.dilation_w + 1;
  const auto words = [&](int64_t pixels) {
    const int64_t columns = l.stride_w < reach ? (pixels - 1) * l.stride_w + reach : pixels * reach;
    return l.kernel_h * columns * l.words_per_tap;
  };
  l.group = net_.design.window_x;
  while (l.group > 1 && words(l.group) > most) --l.group;
  if (words(l.group) > most)
    fail_unsupported("reads windows of {} words, but the buffer holds {}: make window_buffer_words larger, or vec",
                     words(1), most);
  net_.window_words = std::max(net_.window_words, narrow(words(std::min(l.group, l.out_w))));
  const int64_t row_bytes = int64_t{l.taps} * l.out_w * net_.design.vec;
  int64_t rows = l.pooled_h;
  if (!limits_.whole_layers) {
    const int64_t fit = std::max<int64_t>(1, limits_.ring_bytes / row_bytes);
    rows = std::clamp<int64_t>((fit - l.pool_h) / l.pool_stride_h + 1, 1, l.pooled_h);
  }
  l.band_rows = narrow(rows);
  l.bands = narrow(div_up<int64_t>(l.pooled_h, rows));
  const int64_t conv_rows = std::min<int64_t>(l.out_h, (rows - 1) * l.pool_stride_h + l.pool_h);
  net_.data_words = std::max(net_.data_words, limits_.whole_layers ? 1 : narrow(conv_rows * l.taps * l.out_w));
  net_.row_words = std::max(net_.row_words, narrow(std::max(conv_rows * l.out_w, rows * l.pooled_w)));
}

void LayerWriter::norm(const Node& node, const LevelNorm& levels, const FeatureMap& in, const FeatureMap& out) {
  PipelineLayer layer = named(node, node.op, node.output());
  layer.normalizes = true;
  Norm& n = layer.norm;
  n.in_at = narrow(in.first_word(net_.design.vec));
  n.in_image_words = narrow(in.image_words);
  n.out_at = narrow(out.first_word(net_.design.vec));
  n.out_image_words = narrow(out.image_words);
  n.plane = narrow(in.plane()), n.images = narrow(in.images);
  n.channels = narrow(in.channels), n.size = levels.size;
  n.in_zero = in.zero(), n.out_zero = out.zero();
  n.low = -128, n.high = 127;
  n.table_at = narrow(static_cast<int64_t>(net_.tables.size())), n.shift = levels.shift;
  net_.tables.insert(net_.tables.end(), levels.factors.begin(), levels.factors.end());
  net_.layers.push_back(std::move(layer));
}

}  // namespace tercel::inline engines

// What one pass through the pipeline computes, as plain numbers.
#pragma once

#include <cstdint>
#include <string>

namespace tercel::inline fpga {

enum class LayerKind {
  conv,     ///< convolution; a fully connected layer is one with a single output position
  pool,     ///< pooling by the largest element, that no convolution comes before
  average,  ///< pooling by the mean: windows of kh x kw of each channel
  add,      ///< sum of two maps that no convolution makes
  copy,     ///< part of a map, or a map with zeros around it
  lrn,      ///< normalization across channels
};

struct LayerShape {
  std::string name;
  LayerKind kind = LayerKind::conv;
  int64_t batch = 1;
  int64_t groups = 1;
  int64_t ic = 1, oc = 1;  ///< of all groups; equal where the kind is not conv
  int64_t ih = 1, iw = 1;
  int64_t oh = 1, ow = 1;  ///< before a fused pooling
  int64_t kh = 1, kw = 1, sh = 1, sw = 1;

  bool pooled = false;  ///< a pooling follows in the stream
  int64_t pool_oh = 1, pool_ow = 1;
  int64_t pool_kh = 1, pool_kw = 1;  ///< its windows
  bool add = false;                  ///< a residual is added while the result is written

  bool operator==(const LayerShape&) const = default;

  /// Reads windows of kh x kw.
  bool has_windows() const { return kind == LayerKind::conv || kind == LayerKind::average; }
  /// Each channel by itself.
  bool is_depthwise() const { return kind == LayerKind::conv && groups == ic && oc == ic && groups > 1; }
  bool is_fc() const { return kind == LayerKind::conv && oh == 1 && ow == 1; }
  /// Output positions of the whole batch, and those that are written.
  int64_t positions() const { return batch * oh * ow; }
  int64_t written_positions() const { return pooled ? batch * pool_oh * pool_ow : positions(); }
  int64_t macs() const { return kind == LayerKind::conv ? positions() * oc * (ic / groups) * kh * kw : 0; }
};

/// "conv", "fc", "pool", "average", "add", "copy", "lrn".
std::string kind_name(const LayerShape& layer);

/// Throws Error naming the layer for extents below 1, groups that do not divide the channels, and sizes beyond what the
/// models count exactly (2^53 multiply-accumulates).
void check(const LayerShape& layer);

}  // namespace tercel::inline fpga

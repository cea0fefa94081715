#include "fpga/layer_shape.h"

#include <initializer_list>
#include <utility>

#include "base/error.h"

namespace tercel::inline fpga {

std::string kind_name(const LayerShape& layer) {
  switch (layer.kind) {
    case LayerKind::conv: return layer.is_fc() ? "fc" : "conv";
    case LayerKind::pool: return "pool";
    case LayerKind::average: return "average";
    case LayerKind::add: return "add";
    case LayerKind::copy: return "copy";
    case LayerKind::lrn: return "lrn";
  }
  return "?";
}

void check(const LayerShape& layer) {
  // Products of these stay exact in a double, and far below what an int64_t holds.
  constexpr int64_t kMaxExtent = int64_t{1} << 24;
  constexpr double kMaxMacs = 0x1p53;
  for (const auto& [name, extent] :
       std::initializer_list<std::pair<const char*, int64_t>>{{"batch", layer.batch},
                                                              {"groups", layer.groups},
                                                              {"ic", layer.ic},
                                                              {"oc", layer.oc},
                                                              {"ih", layer.ih},
                                                              {"iw", layer.iw},
                                                              {"oh", layer.oh},
                                                              {"ow", layer.ow},
                                                              {"kh", layer.kh},
                                                              {"kw", layer.kw},
                                                              {"sh", layer.sh},
                                                              {"sw", layer.sw},
                                                              {"pool_oh", layer.pool_oh},
                                                              {"pool_ow", layer.pool_ow},
                                                              {"pool_kh", layer.pool_kh},
                                                              {"pool_kw", layer.pool_kw}}) {
    if (extent < 1 || extent > kMaxExtent)
      fail_input("layer '{}': {} is {}, wanted 1 to {}", layer.name, name, extent, kMaxExtent);
  }
  if (layer.ic % layer.groups != 0 || layer.oc % layer.groups != 0)
    fail_input("layer '{}': {} groups do not divide {} input and {} output channels", layer.name, layer.groups,
               layer.ic, layer.oc);
  // Channels rounded up to a word of 128 and 256 lanes bound every count of cycles and bytes.
  const double work = static_cast<double>(layer.batch) * static_cast<double>(layer.oh) * static_cast<double>(layer.ow) *
                      static_cast<double>(layer.oc + 256) * static_cast<double>(layer.ic + 128) *
                      static_cast<double>(layer.kh) * static_cast<double>(layer.kw);
  const double reads = static_cast<double>(layer.batch) * static_cast<double>(layer.ih) *
                       static_cast<double>(layer.iw) * static_cast<double>(layer.ic + 256);
  const double pooling = static_cast<double>(layer.batch) * static_cast<double>(layer.pool_oh) *
                         static_cast<double>(layer.pool_ow) * static_cast<double>(layer.pool_kh) *
                         static_cast<double>(layer.pool_kw) * static_cast<double>(layer.oc + 256);
  if (work > kMaxMacs || reads > kMaxMacs || pooling > kMaxMacs)
    fail(ErrorCode::limit, "layer '{}': more than 2^53 multiply-accumulates or elements", layer.name);
}

}  // namespace tercel::inline fpga

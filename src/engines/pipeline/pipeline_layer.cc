#include "engines/pipeline/pipeline_layer.h"

namespace tercel::inline engines {

LayerShape shape_of(const PipelineLayer& layer) {
  if (layer.normalizes) {
    const Norm& n = layer.norm;
    return {.name = layer.node,
            .kind = LayerKind::lrn,
            .batch = n.images,
            .ic = n.channels,
            .oc = n.channels,
            .ih = 1,
            .iw = n.plane,
            .oh = 1,
            .ow = n.plane};
  }
  const Layer& l = layer.layer;
  const bool beside = l.in_w != l.image_w;
  LayerShape shape{.name = layer.node};
  shape.batch = beside ? l.out_w : l.images;
  const int64_t channel_groups = l.lane_groups / l.groups_of_lanes;
  shape.oc = channel_groups * l.channels_to_group;
  if (l.mode == LAYER_CHANNEL) {
    shape.ic = shape.groups = shape.oc;
    if (shape.oc == 1) shape.kind = LayerKind::pool;
  } else {
    shape.ic = channel_groups * l.channels_in_group;
    shape.groups = channel_groups;
  }
  shape.ih = l.in_h, shape.iw = l.image_w;
  shape.oh = l.out_h, shape.ow = beside ? 1 : l.out_w;
  shape.kh = l.kernel_h, shape.kw = l.kernel_w;
  shape.sh = l.stride_h, shape.sw = beside ? 1 : l.stride_w;
  shape.pooled = l.pool_h != 1 || l.pool_w != 1 || l.pool_stride_h != 1 || l.pool_stride_w != 1;
  if (shape.pooled) {
    shape.pool_oh = l.pooled_h, shape.pool_ow = l.pooled_w;
    shape.pool_kh = l.pool_h, shape.pool_kw = l.pool_w;
  }
  shape.add = l.add != 0;
  return shape;
}

}  // namespace tercel::inline engines

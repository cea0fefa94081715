// Rules of operators that interpolate.
#include "graph/ops/shape_rules.h"
#include "tensor/resample.h"

namespace tercel::inline graph {
namespace {

/// A vector of numbers that may be left out: by an absent operand or by one without elements.
struct OptionalVector {
  bool given = false;
  const Tensor* constant = nullptr;
};

OptionalVector optional_vector(const InferContext& c, size_t operand) {
  c.need_rank(operand, 0, 1);
  const bool given = c.has(operand) && vector_length(c, operand) != 0;
  return {given, given ? c.constant(operand) : nullptr};
}

void infer_resize(InferContext& c) {
  const DType dtype = c.dtype(0);
  c.need_float(1);
  c.need_dtype(2, {DType::f32});
  need_index(c, 3);
  text_among(c, "mode", {"nearest", "linear", "cubic"});
  text_among(c, "nearest_mode", {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  text_among(c, "keep_aspect_ratio_policy", {"stretch", "not_larger", "not_smaller"});
  const bool crop = text_among(c, "coordinate_transformation_mode",
                               {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                                "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"}) == "tf_crop_and_resize";
  if (crop && c.attrs().get_bool("antialias")) fail_unsupported("antialias with tf_crop_and_resize");
  const OptionalVector roi = optional_vector(c, 1), scales = optional_vector(c, 2), sizes = optional_vector(c, 3);
  if (!c.ranked(0)) return c.set_unranked(0, dtype);
  const bool crop_is_known = !crop || roi.constant != nullptr;
  const bool sizes_are_known = scales.given ? scales.constant != nullptr : sizes.constant != nullptr;
  if ((scales.given || sizes.given) && !(crop_is_known && sizes_are_known)) return c.set_rank(0, dtype, c.rank(0));

  ResampleOperands operands;
  if (crop && roi.constant != nullptr) operands.roi = roi.constant->to_doubles();
  if (scales.constant != nullptr) operands.scales = scales.constant->to_doubles();
  if (sizes.constant != nullptr) operands.sizes = sizes.constant->to_ints();
  Dims dims;
  for (const ResampleAxis& axis : resample_axes(c.attrs(), c.dims(0), operands)) dims.push_back(axis.out);
  c.set(0, dtype, std::move(dims));
}

/// x: n c d1 .. dk; grid: n o1 .. ok k; result: n c o1 .. ok.
void infer_grid_sample(InferContext& c) {
  c.need_float(0);
  c.need_float(1);
  text_among(c, "mode", {"linear", "bilinear", "nearest", "cubic", "bicubic"});
  text_among(c, "padding_mode", {"zeros", "border", "reflection"});
  c.need_rank(0, 3, 5);  // each axis multiplies the work for one place by up to 4
  c.need_rank(1, 3, 5);
  if (!c.ranked(0) && !c.ranked(1)) return c.set_unranked(0, c.dtype(0));
  const int64_t rank = c.ranked(0) ? c.rank(0) : c.rank(1);
  Dims dims(static_cast<size_t>(rank), kUnknown);
  if (c.ranked(0)) {
    dims[0] = c.dims(0)[0];
    dims[1] = c.dims(0)[1];
  }
  if (c.ranked(1)) {
    c.need_rank(1, rank, rank);
    const Dims& grid = c.dims(1);
    agree(grid.back(), rank - 2, "coordinates per place of the grid");
    dims[0] = agree(dims[0], grid[0], "batch extents");
    std::copy(grid.begin() + 1, grid.end() - 1, dims.begin() + 2);
  }
  c.set(0, c.dtype(0), std::move(dims));
}

/// x: n c h w; rois: r 4; batch indices: r; result: r c output_height output_width.
void infer_roi_align(InferContext& c) {
  c.need_float(0);
  c.need_same_dtype(0, 1);
  need_index(c, 2);
  c.need_rank(0, 4, 4);
  text_among(c, "mode", {"avg", "max"});
  text_among(c, "coordinate_transformation_mode", {"half_pixel", "output_half_pixel"});
  attr_within(c, "sampling_ratio", 0, 1024);
  const Dims rois = agree(c, 1, {kUnknown, 4}, "regions of interest");
  const Dims batch = agree(c, 2, {rois[0]}, "batch indices");
  c.set(0, c.dtype(0),
        {batch[0], c.ranked(0) ? c.dims(0)[1] : kUnknown, attr_within(c, "output_height", 1, kMaxElements),
         attr_within(c, "output_width", 1, kMaxElements)});
}

}  // namespace

std::vector<OpSpec> resample_ops() {
  using A = AttrSpec;
  return {
      {.name = "GridSample",
       .since = 16,
       .inputs = {2, 2},
       .attrs = {A::integer("align_corners", 0), A::text("mode", "linear"), A::text("padding_mode", "zeros")},
       .infer = infer_grid_sample},
      {.name = "Resize",
       .since = 11,
       .inputs = {1, 4},
       .attrs = {A::integer("antialias", 0), A::optional("axes", AttrKind::integers),
                 A::text("coordinate_transformation_mode", "half_pixel"), A::real("cubic_coeff_a", -0.75f),
                 A::integer("exclude_outside", 0), A::real("extrapolation_value", 0),
                 A::text("keep_aspect_ratio_policy", "stretch"), A::text("mode", "nearest"),
                 A::text("nearest_mode", "round_prefer_floor")},
       .infer = infer_resize},
      {.name = "RoiAlign",
       .since = 16,
       .inputs = {3, 3},
       .attrs = {A::text("coordinate_transformation_mode", "half_pixel"), A::text("mode", "avg"),
                 A::integer("output_height", 1), A::integer("output_width", 1), A::integer("sampling_ratio", 0),
                 A::real("spatial_scale", 1)},
       .infer = infer_roi_align},
  };
}

}  // namespace tercel::inline graph

#include <algorithm>

#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace tercel::inline graph {
namespace {

/// Operand 0 has rank 2 or more, n c ...; the operands in [first, last] are one number per channel.
void infer_per_channel(InferContext& c, size_t first, size_t last) {
  c.need_float(0);
  ValueType type = c.type(0);
  c.need_rank(0, 2, 64);
  int64_t channels = type.ranked ? type.dims[1] : kUnknown;
  for (size_t i = first; i <= last; ++i) {
    c.need_float(i);
    channels = agree(c, i, {channels}, "channels")[0];
  }
  if (type.ranked) type.dims[1] = channels;
  c.set(0, type);
}

void infer_batch_norm(InferContext& c) {
  if (c.attrs().get_bool("training_mode"))
    fail_unsupported("training_mode is 1; Tercel runs networks, it does not train");
  if (c.wants(1) || c.wants(2)) fail_unsupported("running mean and variance are results of training only");
  infer_per_channel(c, 1, 4);
}

void infer_instance_norm(InferContext& c) {
  infer_per_channel(c, 1, 2);
  for (size_t i : {1, 2}) c.need_same_dtype(0, i);
}

void infer_group_norm(InferContext& c) {
  infer_per_channel(c, 1, 2);
  for (size_t i : {1, 2}) c.need_same_dtype(0, i);
  const int64_t groups = attr_within(c, "num_groups", 1, kMaxElements);
  if (c.ranked(0) && c.dims(0)[1] != kUnknown && c.dims(0)[1] % groups != 0)
    fail_input("{} channels do not divide into {} groups", c.dims(0)[1], groups);
}

void infer_layer_norm(InferContext& c) {
  for (size_t i : {0, 1, 2}) c.need_float(i);
  const int64_t stash = c.attrs().get_int("stash_type");
  if (stash != 1 && stash != 16) fail_input("attribute 'stash_type' is {}, wanted 1 (f32) or 16 (bf16)", stash);
  const DType statistics = stash == 1 ? DType::f32 : DType::bf16;
  c.set(0, c.type(0));
  if (!c.ranked(0)) {
    for (size_t result : {1, 2}) c.set_unranked(result, statistics);
    return;
  }
  const int64_t axis = normalize_axis(c.attrs().get_int("axis"), c.rank(0));
  Dims outer = c.dims(0);
  for (size_t i : {1, 2}) need_broadcastable_to(c, i, c.dims(0));
  std::fill(outer.begin() + axis, outer.end(), 1);
  for (size_t result : {1, 2}) c.set(result, statistics, outer);
}

/// Also of levels; what the result's stand for, its declaration says.
void infer_lrn(InferContext& c) {
  const bool quantized = c.is_quantized(0);
  if (!quantized) c.need_float(0);
  c.need_rank(0, 2, 64);
  attr_within(c, "size", 1, 1 << 30);
  if (!quantized) return infer_same_as_input(c);
  if (!c.ranked(0)) return c.set_unranked(0, DType::none);
  c.set(0, DType::none, c.dims(0));
}

void infer_lp_normalization(InferContext& c) {
  c.need_float(0);
  attr_within(c, "p", 1, 2);
  if (c.ranked(0)) normalize_axis(c.attrs().get_int("axis"), c.rank(0));
  infer_same_as_input(c);
}

void infer_mean_variance(InferContext& c) {
  c.need_float(0);
  if (c.ranked(0))
    for (int64_t axis : c.attrs().get_ints("axes")) normalize_axis(axis, c.rank(0));
  infer_same_as_input(c);
}

}  // namespace

std::vector<OpSpec> norm_ops() {
  using A = AttrSpec;
  const A epsilon = A::real("epsilon", 1e-5f);
  return {
      {.name = "BatchNormalization",
       .since = 9,
       .inputs = {5, 5},
       .outputs = {1, 3},
       .attrs = {epsilon, A::real("momentum", 0.9f), A::integer("training_mode", 0)},
       .infer = infer_batch_norm},
      {.name = "InstanceNormalization", .since = 6, .inputs = {3, 3}, .attrs = {epsilon}, .infer = infer_instance_norm},
      {.name = "LayerNormalization",
       .since = 17,
       .inputs = {2, 3},
       .outputs = {1, 3},
       .attrs = {A::integer("axis", -1), epsilon, A::integer("stash_type", 1)},
       .infer = infer_layer_norm},
      {.name = "GroupNormalization",
       .since = 21,
       .inputs = {3, 3},
       .attrs = {epsilon, A::required("num_groups", AttrKind::integer), A::integer("stash_type", 1)},
       .infer = infer_group_norm},
      {.name = "LRN",
       .since = 1,
       .attrs = {A::real("alpha", 0.0001f), A::real("beta", 0.75f), A::real("bias", 1),
                 A::required("size", AttrKind::integer)},
       .infer = infer_lrn},
      {.name = "LpNormalization",
       .since = 1,
       .attrs = {A::integer("axis", -1), A::integer("p", 2)},
       .infer = infer_lp_normalization},
      {.name = "MeanVarianceNormalization",
       .since = 9,
       .attrs = {A::integers("axes", {0, 2, 3})},
       .infer = infer_mean_variance},
  };
}

}  // namespace tercel::inline graph

// Tercel's own operators, domain ai.tercel: they may stand in files, so what is here stays true. docs/operators.md
// describes each; a change of meaning is a new version (kTercelVersion).
#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace tercel::inline graph {
namespace {

void infer_row_scale(InferContext& c) {
  c.need_dtype(0, {DType::f32, DType::f16, DType::bf16});
  c.need_rank(0, 1, 64);
  attr_within(c, "centred", 0, 1);
  ValueType type = c.type(0);
  if (type.ranked) type.dims.back() = 1;
  c.set(0, type);
}

/// In f32 whatever the type of x: squares of f16 leave its range soon.
constexpr std::string_view kRowScale = R"(
input %x : ?[...]
input %epsilon : f32[]
input %centred : i64[]
const %rows : i64[1] = [-1]
const %zero : f32[] = [0]
%wide : f32[...] = Cast(%x) {to = "f32"}
%mean : f32[...] = ReduceMean(%wide, %rows)
%mean_is_zero : bool[] = Cast(%centred) {to = "bool"}
%centre : f32[...] = Where(%mean_is_zero, %zero, %mean)
%distance : f32[...] = Sub(%wide, %centre)
%square : f32[...] = Mul(%distance, %distance)
%variance : f32[...] = ReduceMean(%square, %rows)
%above_zero : f32[...] = Add(%variance, %epsilon)
%deviation : f32[...] = Sqrt(%above_zero)
%scale : f32[...] = Reciprocal(%deviation)
%y : ?[...] = CastLike(%scale, %x)
output %y
)";

}  // namespace

std::vector<OpSpec> own_ops() {
  return {
      // What layer normalisation multiplies every element of a row (last axis) by: 1 / sqrt(mean((x - mean(x))^2) +
      // epsilon). "centred": the mean of every row is known to be 0, and taken as that.
      {.name = "ai.tercel.RowScale",
       .domain = Domain::tercel,
       .since = 1,
       .attrs = {AttrSpec::real("epsilon", 1e-5f), AttrSpec::integer("centred", 0)},
       .infer = infer_row_scale,
       .standard_form = kRowScale},
  };
}

}  // namespace tercel::inline graph

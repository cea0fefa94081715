// Tercel's own operators, domain ai.tercel: they may stand in files, so what is here stays true. docs/operators.md
// describes each; a change of meaning is a new version (kTercelVersion).
#include <cmath>

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

/// x [n, bits], patterns u8 [P, bits / 8, rounded up], then a number a pattern: as many as there are such operands.
void infer_memory(InferContext& c) {
  c.need_dtype(0, {DType::f32});
  c.need_rank(0, 2, 2);
  c.need_dtype(1, {DType::u8});
  c.need_rank(1, 2, 2);
  attr_within(c, "class_count", 1, 1 << 24);
  if (const float beta = c.attrs().get_float("beta"); !(beta > 0) || !std::isfinite(beta))
    fail_input("attribute 'beta' is {}, wanted a number above 0", beta);
  const int64_t bits = c.ranked(0) ? c.dims(0)[1] : kUnknown;
  Dims stored = agree(c, 1, {kUnknown, bits == kUnknown ? kUnknown : (bits + 7) / 8}, "bytes of a pattern");
  if (bits == 0 || stored[0] == 0) fail_input("a memory of {} patterns of {} bits", stored[0], bits);
  for (size_t operand = 2; operand < c.inputs(); ++operand) {
    c.need_dtype(operand, {DType::i64});
    stored[0] = agree(c, operand, {stored[0]}, "patterns, and classes and networks of patterns")[0];
  }
  c.set(0, DType::f32, {c.ranked(0) ? c.dims(0)[0] : kUnknown, c.attrs().get_int("class_count")});
}

void infer_hopfield_memory(InferContext& c) {
  attr_within(c, "max_sweeps", 1, 1 << 16);
  infer_memory(c);
}

/// Bits unpacked to +1 and -1; logarithms of sums of exponentials by class, the class's largest taken away before.
constexpr std::string_view kSoftmaxMemory = R"(
input %x : f32[...]
input %patterns : u8[...]
input %classes : i64[...]
input %beta : f32[]
input %class_count : i64[]
const %zero : f32[] = [0]
const %one : f32[] = [1]
const %minus_one : f32[] = [-1]
const %lowest : f32[] = [-inf]
const %places : u8[8] = [1, 2, 4, 8, 16, 32, 64, 128]
const %no_bit : u8[] = [0]
const %axis_0 : i64[1] = [0]
const %axis_1 : i64[1] = [1]
const %axis_2 : i64[1] = [2]
const %rows : i64[2] = [0, -1]
%shape : i64[?] = Shape(%x)
%count : i64[?] = Slice(%shape, %axis_0, %axis_1, %axis_0)
%bits : i64[?] = Slice(%shape, %axis_1, %axis_2, %axis_0)
%bytes : u8[...] = Unsqueeze(%patterns, %axis_2)
%masked : u8[...] = BitwiseAnd(%bytes, %places)
%set : bool[...] = Greater(%masked, %no_bit)
%padded : bool[...] = Reshape(%set, %rows)
%units : bool[...] = Slice(%padded, %axis_0, %bits, %axis_1)
%stored : f32[...] = Where(%units, %one, %minus_one)
%columns : f32[...] = Transpose(%stored) {perm = [1, 0]}
%above : bool[...] = Greater(%x, %zero)
%probe : f32[...] = Where(%above, %one, %minus_one)
%overlap : f32[...] = MatMul(%probe, %columns)
%a : f32[...] = Mul(%overlap, %beta)
%a_shape : i64[?] = Shape(%a)
%of_class : i64[...] = Expand(%classes, %a_shape)
%width : i64[?] = Unsqueeze(%class_count, %axis_0)
%y_shape : i64[?] = Concat(%count, %width) {axis = 0}
%no_score : f32[...] = Expand(%lowest, %y_shape)
%no_sum : f32[...] = Expand(%zero, %y_shape)
%largest : f32[...] = ScatterElements(%no_score, %of_class, %a) {axis = 1, reduction = "max"}
%largest_of : f32[...] = GatherElements(%largest, %of_class) {axis = 1}
%below : f32[...] = Sub(%a, %largest_of)
%exponential : f32[...] = Exp(%below)
%sum : f32[...] = ScatterElements(%no_sum, %of_class, %exponential) {axis = 1, reduction = "add"}
%logarithm : f32[...] = Log(%sum)
%y : f32[...] = Add(%largest, %logarithm)
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
      // y_c = log sum over the patterns p of class c of exp(beta <sign(x), p>): a softmax (modern) Hopfield network
      // read
      // out by class. sign(0) is -1. A class without a pattern gets minus infinity.
      {.name = "ai.tercel.SoftmaxMemory",
       .domain = Domain::tercel,
       .since = 2,
       .inputs = {3, 3},
       .attrs = {AttrSpec::required("beta", AttrKind::real), AttrSpec::required("class_count", AttrKind::integer)},
       .infer = infer_memory,
       .standard_form = kSoftmaxMemory},
      // Hopfield networks in parallel that settle from sign(x): y = scale * ParallelNetworks::scores. Patterns, their
      // classes, and the network of each; weights follow from the patterns by the rule. Standard operators have no form
      // of it: recall is a loop.
      {.name = "ai.tercel.HopfieldMemory",
       .domain = Domain::tercel,
       .since = 2,
       .inputs = {4, 4},
       .attrs = {AttrSpec::required("rule", AttrKind::text), AttrSpec::text("recall", "asynchronous"),
                 AttrSpec::integer("max_sweeps", 50), AttrSpec::real("beta", 0.05f), AttrSpec::real("scale", 1.0f),
                 AttrSpec::required("class_count", AttrKind::integer)},
       .infer = infer_hopfield_memory},
  };
}

}  // namespace tercel::inline graph

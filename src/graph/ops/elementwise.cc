// Operators that compute every element of the result from the elements at the same (broadcast) place.
#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace tercel::inline graph {
namespace {

using DTypes = std::initializer_list<DType>;
constexpr DTypes kFloats = {DType::f32, DType::f64, DType::f16, DType::bf16};
constexpr DTypes kUnsigned = {DType::u8, DType::u16, DType::u32, DType::u64};
constexpr DTypes kIntegers = {DType::i8, DType::i16, DType::i32, DType::i64,
                              DType::u8, DType::u16, DType::u32, DType::u64};
constexpr DTypes kSigned = {DType::f32, DType::f64, DType::f16, DType::bf16,
                            DType::i8,  DType::i16, DType::i32, DType::i64};
constexpr DTypes kNumbers = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8,  DType::i16,
                             DType::i32, DType::i64, DType::u8,  DType::u16,  DType::u32, DType::u64};
constexpr DTypes kWide = {DType::f32, DType::f64, DType::f16, DType::bf16,
                          DType::i32, DType::i64, DType::u32, DType::u64};
constexpr DTypes kPowBases = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::i64};
constexpr DTypes kBool = {DType::boolean};
constexpr DTypes kAny = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8,  DType::i16,    DType::i32,
                         DType::i64, DType::u8,  DType::u16, DType::u32,  DType::u64, DType::boolean};

template <const DTypes& allowed>
void infer_unary(InferContext& c) {
  c.need_dtype(0, allowed);
  infer_same_as_input(c);
}

template <const DTypes& allowed>
void infer_test(InferContext& c) {
  c.need_dtype(0, allowed);
  ValueType type = c.type(0);
  type.dtype = DType::boolean;
  c.set(0, type);
}

void need_all(InferContext& c, DTypes allowed) {
  for (size_t i = 0; i < c.inputs(); ++i) {
    if (!c.has(i)) fail_input("input {} is left out, but is not optional", i);
    c.need_dtype(i, allowed);
  }
}

template <const DTypes& allowed>
void infer_nary(InferContext& c) {
  need_all(c, allowed);
  infer_broadcast(c);
}

template <const DTypes& allowed>
void infer_comparison(InferContext& c) {
  need_all(c, allowed);
  infer_broadcast_to_bool(c);
}

/// Shape of operands a and b (and more) broadcast together, whatever their types; the result is dtype.
void set_broadcast(InferContext& c, std::initializer_list<size_t> operands, DType dtype) {
  Dims dims;
  for (size_t i : operands) {
    if (!c.ranked(i)) return c.set_unranked(0, dtype);
    const auto both = broadcast(dims, c.dims(i));
    if (!both)
      fail_input("input {} has shape {}, which does not broadcast with {}", i, to_string(c.dims(i)), to_string(dims));
    dims = *both;
  }
  c.set(0, dtype, std::move(dims));
}

void infer_bit_shift(InferContext& c) {
  const std::string& direction = c.attrs().get_string("direction");
  if (direction != "LEFT" && direction != "RIGHT") fail_input("direction '{}' is neither LEFT nor RIGHT", direction);
  infer_nary<kUnsigned>(c);
}

void infer_cast(InferContext& c) {
  const std::string& to = c.attrs().get_string("to");
  const DType dtype = parse_dtype(to);
  if (dtype == DType::none) fail_unsupported("attribute 'to': no element type '{}'", to);
  ValueType type = c.type(0);
  type.dtype = dtype;
  c.set(0, type);
}

void infer_cast_like(InferContext& c) {
  ValueType type = c.type(0);
  type.dtype = c.dtype(1);
  c.set(0, type);
}

void infer_clip(InferContext& c) {
  c.need_dtype(0, kNumbers);
  for (size_t bound : {1, 2}) {
    c.need_same_dtype(0, bound);
    if (c.ranked(bound) && all_known(c.dims(bound)) && count_elements(c.dims(bound)) != 1)
      fail_input("input {} has shape {}, wanted one element", bound, to_string(c.dims(bound)));
  }
  infer_same_as_input(c);
}

void infer_gelu(InferContext& c) {
  const std::string& approximate = c.attrs().get_string("approximate");
  if (approximate != "none" && approximate != "tanh")
    fail_input("approximate '{}' is neither none nor tanh", approximate);
  infer_unary<kFloats>(c);
}

void infer_mod(InferContext& c) {
  const int64_t fmod = c.attrs().get_int("fmod");
  if (fmod != 0 && fmod != 1) fail_input("fmod is {}, wanted 0 or 1", fmod);
  if (fmod == 0 && is_float(c.dtype(0))) fail_input("{} inputs need fmod 1", to_string(c.dtype(0)));
  infer_nary<kNumbers>(c);
}

void infer_pow(InferContext& c) {
  c.need_dtype(0, kPowBases);
  c.need_dtype(1, kNumbers);
  set_broadcast(c, {0, 1}, c.dtype(0));
}

void infer_prelu(InferContext& c) {
  c.need_dtype(0, kWide);
  c.need_same_dtype(0, 1);
  if (c.ranked(0)) need_broadcastable_to(c, 1, c.dims(0));
  infer_same_as_input(c);
}

void infer_where(InferContext& c) {
  c.need_dtype(0, kBool);
  c.need_same_dtype(1, 2);
  set_broadcast(c, {0, 1, 2}, c.dtype(1));
}

using Infer = void (*)(InferContext&);

OpSpec unary(std::string_view name, int since, Infer infer, std::vector<AttrSpec> attrs = {}) {
  return {.name = name, .since = since, .attrs = std::move(attrs), .infer = infer};
}
OpSpec binary(std::string_view name, int since, Infer infer, std::vector<AttrSpec> attrs = {}) {
  return {.name = name, .since = since, .inputs = {2, 2}, .attrs = std::move(attrs), .infer = infer};
}
OpSpec variadic(std::string_view name, int since, Infer infer) {
  return {.name = name, .since = since, .inputs = {1, kAnyNumber}, .infer = infer};
}

}  // namespace

std::vector<OpSpec> elementwise_ops() {
  using A = AttrSpec;
  return {
      unary("Abs", 6, infer_unary<kNumbers>),
      unary("Acos", 7, infer_unary<kFloats>),
      unary("Acosh", 9, infer_unary<kFloats>),
      binary("Add", 7, infer_nary<kNumbers>),
      binary("And", 7, infer_nary<kBool>),
      unary("Asin", 7, infer_unary<kFloats>),
      unary("Asinh", 9, infer_unary<kFloats>),
      unary("Atan", 7, infer_unary<kFloats>),
      unary("Atanh", 9, infer_unary<kFloats>),
      binary("BitShift", 11, infer_bit_shift, {A::required("direction", AttrKind::text)}),
      binary("BitwiseAnd", 18, infer_nary<kIntegers>),
      unary("BitwiseNot", 18, infer_unary<kIntegers>),
      binary("BitwiseOr", 18, infer_nary<kIntegers>),
      binary("BitwiseXor", 18, infer_nary<kIntegers>),
      // `saturate` speaks of 8-bit floats only, which Tercel does not have.
      unary("Cast", 6, infer_cast, {A::required("to", AttrKind::text), A::integer("saturate", 1)}),
      binary("CastLike", 15, infer_cast_like, {A::integer("saturate", 1)}),
      unary("Ceil", 6, infer_unary<kFloats>),
      unary("Celu", 12, infer_unary<kFloats>, {A::real("alpha", 1)}),
      {.name = "Clip", .since = 11, .inputs = {1, 3}, .infer = infer_clip},
      unary("Cos", 7, infer_unary<kFloats>),
      unary("Cosh", 9, infer_unary<kFloats>),
      binary("Div", 7, infer_nary<kNumbers>),
      unary("Elu", 6, infer_unary<kFloats>, {A::real("alpha", 1)}),
      binary("Equal", 7, infer_comparison<kAny>),
      unary("Erf", 9, infer_unary<kNumbers>),
      unary("Exp", 6, infer_unary<kFloats>),
      unary("Floor", 6, infer_unary<kFloats>),
      unary("Gelu", 20, infer_gelu, {A::text("approximate", "none")}),
      binary("Greater", 7, infer_comparison<kNumbers>),
      binary("GreaterOrEqual", 12, infer_comparison<kNumbers>),
      unary("HardSigmoid", 6, infer_unary<kFloats>, {A::real("alpha", 0.2f), A::real("beta", 0.5f)}),
      unary("HardSwish", 14, infer_unary<kFloats>),
      unary("Identity", 1, infer_unary<kAny>),
      unary("IsInf", 10, infer_test<kFloats>, {A::integer("detect_negative", 1), A::integer("detect_positive", 1)}),
      unary("IsNaN", 9, infer_test<kFloats>),
      unary("LeakyRelu", 6, infer_unary<kFloats>, {A::real("alpha", 0.01f)}),
      binary("Less", 7, infer_comparison<kNumbers>),
      binary("LessOrEqual", 12, infer_comparison<kNumbers>),
      unary("Log", 6, infer_unary<kFloats>),
      variadic("Max", 8, infer_nary<kNumbers>),
      variadic("Mean", 8, infer_nary<kFloats>),
      variadic("Min", 8, infer_nary<kNumbers>),
      unary("Mish", 18, infer_unary<kFloats>),
      binary("Mod", 10, infer_mod, {A::integer("fmod", 0)}),
      binary("Mul", 7, infer_nary<kNumbers>),
      unary("Neg", 6, infer_unary<kSigned>),
      unary("Not", 1, infer_unary<kBool>),
      binary("Or", 7, infer_nary<kBool>),
      binary("PRelu", 9, infer_prelu),
      binary("Pow", 7, infer_pow),
      unary("Reciprocal", 6, infer_unary<kFloats>),
      unary("Relu", 6, infer_unary<kSigned>),
      unary("Round", 11, infer_unary<kFloats>),
      unary("Selu", 6, infer_unary<kFloats>,
            {A::real("alpha", 1.67326319217681884765625f), A::real("gamma", 1.05070102214813232421875f)}),
      unary("Shrink", 9, infer_unary<kNumbers>, {A::real("bias", 0), A::real("lambd", 0.5f)}),
      unary("Sigmoid", 6, infer_unary<kFloats>),
      unary("Sign", 9, infer_unary<kNumbers>),
      unary("Sin", 7, infer_unary<kFloats>),
      unary("Sinh", 9, infer_unary<kFloats>),
      unary("Softplus", 1, infer_unary<kFloats>),
      unary("Softsign", 1, infer_unary<kFloats>),
      unary("Sqrt", 6, infer_unary<kFloats>),
      binary("Sub", 7, infer_nary<kNumbers>),
      variadic("Sum", 8, infer_nary<kFloats>),
      unary("Tan", 7, infer_unary<kFloats>),
      unary("Tanh", 6, infer_unary<kFloats>),
      unary("ThresholdedRelu", 10, infer_unary<kFloats>, {A::real("alpha", 1)}),
      {.name = "Where", .since = 9, .inputs = {3, 3}, .infer = infer_where},
      binary("Xor", 7, infer_nary<kBool>),
  };
}

}  // namespace tercel::inline graph

# The cases, by family; run by make_cases.py. A line stands for one case at every version of its operator.
# ruff: noqa: F821

nan, inf = float("nan"), float("inf")

# --- elementwise -----------------------------------------------------------------------------------------------------

for op in ("Abs", "Neg", "Sign", "Relu", "Exp", "Sigmoid", "Tanh", "Ceil", "Floor", "Softplus", "Softsign", "Atan",
           "Cos", "Sin", "Tan", "Cosh", "Sinh", "Asinh", "Elu", "Selu", "LeakyRelu", "HardSigmoid", "HardSwish", "Mish",
           "Celu", "Gelu", "ThresholdedRelu", "Shrink", "Round", "Identity"):
    all_types(op, "values on both sides of zero", [T(R(2, 5))])
all_types("Erf", "values on both sides of zero", [T(R(2, 5))],
          by_hand=lambda x: np.vectorize(math.erf)(x.astype(np.float64)).astype(x.dtype))
for op in ("Sqrt", "Log", "Reciprocal"):
    all_types(op, "positive values", [T(R(2, 5, lo=0.2, hi=4))])
for op in ("Asin", "Acos", "Atanh"):
    all_types(op, "values within one", [T(R(2, 5, lo=-0.9, hi=0.9))])
all_types("Acosh", "values above one", [T(R(2, 5, lo=1.1, hi=4))])
for op in ("Abs", "Neg", "Sign", "Relu", "Exp", "Sigmoid", "Tanh", "Ceil", "Floor", "Softplus", "Softsign", "Erf", "Elu", "Selu",
           "LeakyRelu", "HardSigmoid", "Sqrt", "Reciprocal", "ThresholdedRelu", "Shrink", "Round", "Atan"):
    one_type(op, "infinities, zeros of both signs", [T([inf, -inf, 0.0, -0.0, 0.5, 1.5, 2.5])])
one_type("Elu", "alpha", [T(R(7))], {"alpha": 2.5})
one_type("Selu", "alpha and gamma", [T(R(7))], {"alpha": 2.5, "gamma": 0.5})
one_type("LeakyRelu", "negative alpha", [T(R(7))], {"alpha": -0.3})
one_type("HardSigmoid", "alpha and beta", [T(R(7))], {"alpha": 0.5, "beta": 0.25})
one_type("ThresholdedRelu", "alpha", [T(R(7))], {"alpha": -0.5})
one_type("Celu", "alpha", [T(R(7))], {"alpha": 0.4})
one_type("Shrink", "bias and lambd", [T(R(7))], {"bias": 0.25, "lambd": 1.5})
one_type("Gelu", "tanh", [T(R(7))], {"approximate": "tanh"})
one_type("Relu", "NaN stays", [T([nan, 1.0, -1.0])])
one_type("Sign", "NaN stays", [T([nan, 1.0, -1.0])], by_hand=lambda x: np.sign(x))

for op in ("Add", "Sub", "Mul", "Div"):
    all_types(op, "broadcast both ways", [T(R(2, 1, 3, lo=1, hi=4)), T(R(2, 1, lo=1, hi=4))])
    one_type(op, "scalar and matrix", [T(R(lo=1, hi=4)), T(R(2, 3, lo=1, hi=4))])
C("Div", "integers towards zero", [F([-7, 7, -7, 7], "int32"), F([2, -2, -2, 2], "int32")], types=["int32"])
one_type("Div", "by zero", [T([1.0, -1.0, 0.0]), T([0.0, 0.0, 0.0])])
for op in ("And", "Or", "Xor"):
    C(op, "broadcast", [T(R(2, 1, 3)), T(R(2, 1))], types=["bool"])
C("Not", "a vector", [T(R(6))], types=["bool"])
for op in ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"):
    all_types(op, "broadcast", [T([[1.0, -2.0, 2.0], [0.0, 1.0, 3.0]]), T([[1.0, 2.0, 2.0]])])
    one_type(op, "NaN and infinities", [T([nan, inf, -inf, 1.0]), T([nan, inf, inf, nan])])
for op in ("Max", "Min", "Mean", "Sum"):
    all_types(op, "two operands", [T(R(2, 3)), T(R(2, 3))])
    all_types(op, "three operands broadcast", [T(R(2, 3)), T(R(3)), T(R(2, 1))], since=8)
    one_type(op, "one operand", [T(R(2, 3))])
for op in ("Max", "Min"):
    one_type(op, "NaN wins", [T([nan, 1.0, 2.0]), T([1.0, nan, 3.0])],
             by_hand=(np.maximum if op == "Max" else np.minimum))
all_types("Pow", "base and exponent of one type", [T(R(2, 3, lo=1, hi=3)), T([1.0, 2.0, 0.0])], outputs=1)
for exponent in ("int32", "int64", "float", "double", "uint8", "int16"):
    C("Pow", f"exponent of type {exponent}", [T(R(2, 3, lo=1, hi=3)), F(np.array([1, 2, 0], DTYPES[exponent]))], since=12,
      types=["float", "int64"])
all_types("Mod", "positive divisors", [T([-7.0, 7.0, 5.0]), T([2.0, 3.0, 4.0])], {"fmod": 1})
C("Mod", "sign of the divisor", [F([-7, 7, -7, 7], "int32"), F([3, -3, -3, 3], "int32")], types=["int32"])
C("Mod", "fmod 1 has the sign of the dividend", [F([-7, 7, -7, 7], "int32"), F([3, -3, -3, 3], "int32")], {"fmod": 1},
  types=["int32"])
all_types("PRelu", "slope per channel", [T(R(1, 2, 2, 2)), T(R(2, 1, 1, lo=0.1, hi=1))])
one_type("PRelu", "one slope", [T(R(1, 2, 2)), T([0.25])])
for direction in ("LEFT", "RIGHT"):
    C("BitShift", direction.lower(), [T([16.0, 4.0, 1.0]), T([1.0, 0.7, 0.4])], {"direction": direction},
      types=["uint8", "uint32", "uint64"])
    C("BitShift", direction.lower() + " (16 bits)", [F([16, 40000, 1], "uint16"), F([1, 2, 3], "uint16")],
      {"direction": direction}, types=["uint16"],
      by_hand=(lambda a, b: a << b) if direction == "LEFT" else (lambda a, b: a >> b))
for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
    all_types(op, "broadcast", [T(R(2, 3, hi=20, lo=-20)), T(R(3, hi=20, lo=-20))])
all_types("BitwiseNot", "a vector", [T(R(6, hi=20, lo=-20))])
all_types("IsNaN", "NaN and infinities", [T([nan, 1.0, inf, -inf])])
all_types("IsInf", "both signs", [T([nan, 1.0, inf, -inf])])
one_type("IsInf", "negative only", [T([nan, 1.0, inf, -inf])], {"detect_positive": 0})
one_type("IsInf", "positive only", [T([nan, 1.0, inf, -inf])], {"detect_negative": 0})
all_types("Where", "broadcast", [F(R(2, 1, 3) > 0), T(R(2, 1)), T(R(3))], type_of=1)

# Clip: bounds were attributes until opset 11; types other than real numbers came with 12.
one_type("Clip", "both bounds as attributes", [T(R(7))], {"min": -0.5, "max": 1.0}, until=10)
one_type("Clip", "min as attribute", [T(R(7))], {"min": -0.5}, until=10)
one_type("Clip", "max as attribute", [T(R(7))], {"max": 0.5}, until=10)
one_type("Clip", "no bounds", [T(R(7))])
one_type("Clip", "infinite attributes", [T(R(7))], {"min": -inf, "max": inf}, until=10)
one_type("Clip", "NaN as a bound", [T(R(7))], {"min": nan, "max": 1.0}, until=10,
         by_hand=lambda x: np.where(x > 1, 1, x).astype(x.dtype))  # no bound, as from opset 11 on
one_type("Clip", "min above max", [T(R(7))], {"min": 1.0, "max": -1.0}, until=10, by_hand=lambda x: np.full_like(x, -1))
C("Clip", "f16 attributes", [T(R(7))], {"min": -0.5, "max": 1.0}, until=10, types=["float16", "double"])
all_types("Clip", "both bounds", [T(R(7)), KT(0.4), KT(1.4)], since=11)
one_type("Clip", "min only, fed", [T(R(7)), T(-0.5)], since=11)
one_type("Clip", "max only", [T(R(7)), None, KT(0.5)], since=11)
one_type("Clip", "infinite bounds", [T([nan, 3.0, -inf, inf]), KT(-inf), KT(inf)], since=11)
one_type("Clip", "min above max", [T(R(7)), KT(1.0), KT(-1.0)], since=12, by_hand=lambda x, a, b: np.full_like(x, -1))

# Cast, CastLike
for source in ("float", "double", "float16", "bfloat16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"):
    for target in ("float", "double", "float16", "bfloat16", "int32", "uint8", "int64", "bool"):
        x = F(cast(np.array([0.0, 1.0, 2.7, 3.2, 40.0]), DTYPES[source]))
        since = 13 if "bfloat16" in (source, target) else FIRST
        C("Cast", f"{source} to {target}", [x], {"to": CODES[DTYPES[target]]}, since=since, types=["float"], every_version=False,
          by_hand=lambda v, target=target: v.astype(DTYPES[target]))
C("Cast", "real to real", [F([0.1, -1e30, 65519.0, inf, nan], "float32")], {"to": TP.FLOAT16}, types=["float"])
C("Cast", "real to integer, towards zero", [F([0.9, -0.9, 2.5, -3.7], "float32")], {"to": TP.INT32}, types=["float"])
C("Cast", "saturate", [F([0.9, 2.5], "float32")], {"to": TP.DOUBLE, "saturate": 0}, types=["float"], since=19,
  by_hand=lambda x: x.astype(np.float64))
all_types("CastLike", "to f16", [T(R(5, lo=0)), F([1], "float16")], by_hand=lambda x, like: x.astype(np.float16))
one_type("CastLike", "to i64", [T(R(5)), F([1], "int64")])
one_type("CastLike", "saturate", [T(R(5)), F([1], "int64")], {"saturate": 0}, since=19,
         by_hand=lambda x, like: x.astype(np.int64))

# Dropout: at inference a copy; the mask is of the data's type until opset 10, bool from then on.
C("Dropout", "copy", [T(R(2, 3))], {"ratio": 0.3}, until=11, types=["float", "float16", "double"])
C("Dropout", "mask of the data's type", [T(R(2, 3))], outputs=2, until=9, types=["float", "float16", "double"],
  by_hand=lambda x: (x, np.ones_like(x)))
C("Dropout", "bool mask", [T(R(2, 3))], {"ratio": 0.3}, outputs=2, since=10, until=11, types=["float", "double"],
  by_hand=lambda x: (x, np.ones(x.shape, bool)))
C("Dropout", "ratio as operand, bool mask", [T(R(2, 3)), K(0.3, "float32")], outputs=2, since=12,
  by_hand=lambda x, r: (x, np.ones(x.shape, bool)))
C("Dropout", "training_mode false", [T(R(2, 3)), K(0.3, "float32"), K(False)], since=12, types=["float"],
  by_hand=lambda x, r, t: x)
C("Dropout", "training_mode true", [T(R(2, 3)), K(0.3, "float32"), K(True)], since=12, types=["float"], refused=True)

# --- shapes ----------------------------------------------------------------------------------------------------------

for value in ({"value": lambda d: helper.make_tensor("v", TP.FLOAT, [2], [1.5, -2])},
              {"value": lambda d: helper.make_tensor("v", TP.INT64, [], [-7])}):
    C("Constant", "tensor", [], value, types=["float"], by_hand=lambda value=value: numpy_helper.to_array(value["value"](0)))
for key, value, right in (("value_float", 1.5, np.float32(1.5)), ("value_int", -3, np.int64(-3)),
                          ("value_floats", [1.5, 2.0], np.array([1.5, 2], np.float32)),
                          ("value_ints", [1, -2], np.array([1, -2]))):
    C("Constant", key, [], {key: value}, since=12, types=["float"], by_hand=lambda right=right: right)
C("Constant", "a string", [], {"value_string": "no"}, since=12, types=["float"], refused=True)
C("ConstantOfShape", "zeros", [K([2, 3])], types=["int64"])
C("ConstantOfShape", "no axis", [K(np.zeros(0, "int64"))], types=["int64"])
for word in DTYPES:
    if word != "bfloat16":
        C("ConstantOfShape", f"of {word}", [F([2, 0, 3] if word == "double" else [2, 2], "int64")],
          {"value": lambda d, word=word: numpy_helper.from_array(np.ones(1, DTYPES[word]))}, types=["int64"],
          every_version=word == "float16")
C("ConstantOfShape", "of bfloat16", [F([2, 2], "int64")],
  {"value": lambda d: helper.make_tensor("v", TP.BFLOAT16, [1], [1.0])}, types=["int64"], since=20,
  by_hand=lambda s: np.ones(s, BF16))
all_types("Expand", "both ways", [T(R(3, 1)), K([2, 1, 4])])
one_type("Expand", "smaller rank than the data", [T(R(2, 3, 1)), F([4], "int64")])
all_types("EyeLike", "upper diagonal", [T(R(3, 4))], {"k": 1, "dtype": lambda d: CODES[d]},
          by_hand=lambda x: np.eye(3, 4, 1, x.dtype))
one_type("EyeLike", "of the operand's type", [T(R(3, 4))], {"k": -1})
WINDOWS = {"BlackmanWindow": (0.42, 0.5, 0.08), "HammingWindow": (25 / 46, 21 / 46, 0.0), "HannWindow": (0.5, 0.5, 0.0)}
for op, (a0, a1, a2) in WINDOWS.items():
    def window(size, period, a0=a0, a1=a1, a2=a2):
        angle = 2 * np.pi * np.arange(size) / period
        return a0 - a1 * np.cos(angle) + a2 * np.cos(2 * angle)
    for dt in ("int32", "int64"):
        C(op, "periodic, f32", [F(10, dt)], types=[dt], by_hand=lambda s, w=window: w(10, 10).astype(np.float32))
    C(op, "symmetric, of a constant length", [K(9, "int64")], {"periodic": 0}, types=["int64"],
      by_hand=lambda s, w=window: w(9, 8).astype(np.float32))
    for dt in ("float16", "bfloat16", "double", "int8", "uint64"):
        C(op, f"of {dt}", [F(7, "int64")], {"output_datatype": CODES[DTYPES[dt]]}, types=["int64"],
          by_hand=lambda s, w=window, dt=dt: np.maximum(w(7, 7), 0).astype(DTYPES[dt]))
one_type("EyeLike", "of i64", [T(R(3, 2))], {"dtype": TP.INT64})
for op in ("Flatten",):
    all_types(op, "axis 2", [T(R(2, 1, 3, 2))], {"axis": 2})
    one_type(op, "default axis", [T(R(2, 1, 3, 2))])
    one_type(op, "axis 0", [T(R(2, 3))], {"axis": 0})
    one_type(op, "axis at the end", [T(R(2, 3))], {"axis": 2})
    one_type(op, "negative axis", [T(R(2, 3, 4))], {"axis": -2}, since=11)
for dt in ("int32", "float", "int64"):
    C("OneHot", f"indices of {dt}, negative ones", [F([1, -1, 0], dt), K(3), K([0.25, 2.5], "float32")],
      types=[dt])
C("OneHot", "axis 0, depth real, outside is off", [F([[1, 5], [-6, 2]], "int64"), K(3.0, "float32"), F([7, 9], "int64")], {"axis": 0},
  types=["int64"], by_hand=lambda i, d, v: np.moveaxis(np.where(
      (np.where(i < 0, i + 3, i))[..., None] == np.arange(3), v[1], v[0]), -1, 0))
all_types("Range", "rising", [T(1.0), T(3.4), T(0.5)])
C("Range", "falling", [F(5, "int64"), F(-3, "int64"), F(-3, "int64")], types=["int64"])
C("Range", "empty", [F(5, "int32"), F(5, "int32"), F(1, "int32")], types=["int32"])
for op in ("Shape", "Size"):
    all_types(op, "a tensor", [T(R(2, 1, 3))])
    one_type(op, "no axis", [T(R())])
one_type("Shape", "start and end", [T(R(2, 3, 4, 1))], {"start": 1, "end": -1}, since=15)
one_type("Shape", "start beyond the end, end beyond the rank", [T(R(2, 3, 4, 1))], {"start": -9, "end": 9}, since=15)
one_type("Shape", "nothing left", [T(R(2, 3, 4, 1))], {"start": 3, "end": 1}, since=15)
all_types("Tile", "twice and once", [T(R(2, 3)), K([2, 1])])
one_type("Tile", "zero times", [T(R(2, 3)), F([0, 2], "int64")])
all_types("Reshape", "copied and free extents", [T(R(2, 3, 4)), K([0, -1, 2])])
one_type("Reshape", "to no axis, fed", [T(R(1, 1)), F(np.zeros(0, "int64"))])
one_type("Reshape", "allowzero", [T(R(0, 3)), K([3, 0])], {"allowzero": 1}, since=14)
all_types("Squeeze", "axes as attribute", [T(R(1, 2, 1, 3))], {"axes": [0, 2]}, until=12)
one_type("Squeeze", "every axis of one", [T(R(1, 2, 1, 3))])
one_type("Squeeze", "negative axes", [T(R(1, 2, 1, 3))], {"axes": [-2]}, since=11, until=12)
all_types("Squeeze", "axes as operand", [T(R(1, 2, 1, 3)), K([-2, 0])], since=13)
all_types("Unsqueeze", "axes as attribute", [T(R(2, 3))], {"axes": [3, 0]}, until=12)
one_type("Unsqueeze", "negative axes", [T(R(2, 3))], {"axes": [-1, -4]}, since=11, until=12)
all_types("Unsqueeze", "axes as operand", [T(R(2, 3)), K([-1, 0])], since=13)
all_types("Transpose", "perm", [T(R(2, 3, 4))], {"perm": [2, 0, 1]})
one_type("Transpose", "reversed by default", [T(R(2, 3, 4))])
all_types("Concat", "middle axis", [T(R(2, 1, 3)), T(R(2, 2, 3))], {"axis": 1})
one_type("Concat", "one operand", [T(R(2, 3))], {"axis": 1})
one_type("Concat", "negative axis", [T(R(2, 3)), T(R(2, 1))], {"axis": -1}, since=11)
all_types("Split", "parts as attribute", [T(R(5, 2))], {"split": [1, 4]}, outputs=2, until=12)
one_type("Split", "equal parts", [T(R(2, 6))], {"axis": 1}, outputs=3, until=17)
one_type("Split", "negative axis", [T(R(2, 6))], {"axis": -1, "split": [2, 0, 4]}, outputs=3, since=11, until=12)
all_types("Split", "parts as operand", [T(R(5, 2)), K([1, 4])], outputs=2, since=13)
one_type("Split", "num_outputs, the last is smaller", [T(R(2, 7))], {"axis": 1, "num_outputs": 3}, outputs=3, since=18)
all_types("Slice", "attributes, clamped and negative", [T(R(4, 5))], {"starts": [1, -9], "ends": [1000, -1]}, until=9)
one_type("Slice", "attributes with axes", [T(R(4, 5))], {"axes": [1], "starts": [-3], "ends": [5]}, until=9)
all_types("Slice", "operands, clamped and negative", [T(R(4, 5)), K([1, -9]), K([1000, -1])], since=10)
one_type("Slice", "backwards with steps", [T(R(4, 5)), K([-1, 4]), K([-100, 0]), K([0, 1]), K([-1, -2])], since=10)
one_type("Slice", "negative axes, i32, fed", [T(R(4, 5)), F([0], "int32"), F([3], "int32"), F([-1], "int32"), F([2], "int32")],
         since=10)
one_type("Slice", "backwards from before the first element", [T(R(4, 5)), K([-7]), K([-9]), K([1]), K([-1])], since=10)
one_type("Slice", "empty", [T(R(4, 5)), K([3]), K([1])], since=10)
all_types("Pad", "attributes", [T(R(2, 3))], {"pads": [0, 1, 2, 0], "value": 1.5}, until=10)
one_type("Pad", "reflect by attributes", [T(R(3, 4))], {"pads": [1, 0, 2, 3], "mode": "reflect"}, until=10)
one_type("Pad", "edge, cropping, by attributes", [T(R(3, 4))], {"pads": [1, -1, 2, 3], "mode": "edge"}, until=10)
all_types("Pad", "operands", [T(R(2, 3)), K([0, 1, 2, 0]), KT(1.5)], since=11)
one_type("Pad", "no value", [T(R(2, 3)), K([0, 1, 2, -1])], since=11)
one_type("Pad", "reflect", [T(R(3, 4)), K([1, 0, 2, 3])], {"mode": "reflect"}, since=11)
one_type("Pad", "edge", [T(R(3, 4)), F([1, 0, 2, 3], "int64")], {"mode": "edge"}, since=11)
one_type("Pad", "axes", [T(R(3, 4)), K([1, 2]), None, K([-1])], since=18)
one_type("Pad", "axes, i32, edge", [T(R(3, 4)), K([1, 2]), K(0.0), K([0], "int32")], {"mode": "edge"}, since=18)
one_type("Pad", "wrap", [T(R(3, 4)), K([1, 3, 2, 2])], {"mode": "wrap"}, since=19)
all_types("CenterCropPad", "crops and pads", [T(R(5, 2)), K([2, 4])])
one_type("CenterCropPad", "axes", [T(R(3, 5, 2)), F([2, 5], "int64")], {"axes": [-2, 2]})
for op, shape in (("DepthToSpace", (1, 8, 1, 2)), ("SpaceToDepth", (1, 2, 2, 4))):
    all_types(op, "blocks of two", [T(R(*shape))], {"blocksize": 2})
one_type("DepthToSpace", "CRD", [T(R(1, 8, 1, 2))], {"blocksize": 2, "mode": "CRD"}, since=11)
all_types("Trilu", "upper by default", [T(R(3, 4))])
one_type("Trilu", "lower, above the diagonal", [T(R(2, 3, 4)), K(1)], {"upper": 0})
all_types("ReverseSequence", "time first", [T(R(4, 3)), F([4, 1, 2], "int64")])
one_type("ReverseSequence", "batch first", [T(R(3, 4, 2)), F([4, 1, 2], "int64")], {"batch_axis": 0, "time_axis": 1})

all_types("Gather", "axis 1", [T(R(2, 3, 2)), F([[2, 0], [1, 1]], "int64")], {"axis": 1})
one_type("Gather", "scalar index, i32", [T(R(2, 3)), K(1, "int32")])
one_type("Gather", "negative indices and axis", [T(R(2, 3)), F([-1, 0], "int64")], {"axis": -1}, since=11)
all_types("GatherElements", "negative indices", [T(R(3, 2)), F([[-1, 0], [2, 1]], "int64")])
one_type("GatherElements", "axis -1", [T(R(3, 2)), F([[1, 1, 0], [0, 0, 1]], "int32")], {"axis": -1})
all_types("GatherND", "whole tuples", [T(R(2, 3)), F([[0, 2], [-1, 1]], "int64")])
one_type("GatherND", "rows", [T(R(2, 3, 2)), F([[1], [0], [-1]], "int64")])
one_type("GatherND", "batch_dims", [T(R(2, 3, 2)), F([[1], [2]], "int64")], {"batch_dims": 1}, since=12)
for op in ("Scatter", "ScatterElements"):
    all_types(op, "axis 0", [T(R(3, 3)), F([[1, 0, 2], [0, 2, 1]], "int64"), T(R(2, 3))], until=10 if op == "Scatter" else LAST)
    one_type(op, "axis 1", [T(R(2, 4)), F([[1, 3], [0, 2]], "int32"), T(R(2, 2))], {"axis": 1}, until=10 if op == "Scatter" else LAST)
one_type("ScatterElements", "negative indices and axis", [T(R(2, 4)), F([[-1, 0], [-3, 2]], "int64"), T(R(2, 2))], {"axis": -1})
all_types("ScatterND", "whole tuples", [T(R(2, 3)), F([[0, 2], [1, -2]], "int64"), T(R(2))])
one_type("ScatterND", "rows", [T(R(3, 2)), F([[2], [0]], "int64"), T(R(2, 2))])
for reduction, since in (("add", 16), ("mul", 16), ("max", 18), ("min", 18)):
    C("ScatterElements", f"{reduction}, twice at one place", [T(R(3, 3)), F([[1, 0, 2], [1, -2, 2]], "int64"), T(R(2, 3))],
      {"reduction": reduction}, since=since, types=["float", "double", "int32", "int64", "float16"])
    C("ScatterND", f"{reduction}, twice at one place", [T(R(3, 2)), F([[1], [1], [-1]], "int64"), T(R(3, 2))],
      {"reduction": reduction}, since=since, types=["float", "double", "int32", "int64", "float16"])
all_types("Compress", "axis 0", [T(R(3, 2)), F([True, False, True])], {"axis": 0})
one_type("Compress", "negative axis, short condition", [T(R(3, 2)), F([True])], {"axis": -1}, since=11)
one_type("Compress", "flat", [T(R(3, 2)), F([False, True, True, False, True])])
all_types("NonZero", "a matrix", [T([[1.0, 0.0, 2.0], [0.0, -1.0, 0.0]])])
one_type("NonZero", "a scalar has no axes", [T(2.0)], by_hand=lambda x: np.zeros((0, 1), np.int64))
all_types("Unique", "sorted, all results", [T([2.0, 1.0, 2.0, 3.0, 1.0])], outputs=4)
one_type("Unique", "in order", [T([2.0, 1.0, 2.0, 3.0, 1.0])], {"sorted": 0}, outputs=4)
one_type("Unique", "rows", [T([[1.0, 2.0], [0.0, 1.0], [1.0, 2.0]])], {"axis": 0}, outputs=4)

boxes = F([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [1, 1, 0, 0.1], [0, 100, 1, 101]]], "float32")
scores = F([[[0.9, 0.75, 0.6, 0.95, 0.5, 0.3]]], "float32")
one_type("NonMaxSuppression", "corners, flipped ones too", [boxes, scores, K([3]), K([0.5]), K([0.4])])
one_type("NonMaxSuppression", "no operand beyond the scores chooses nothing", [boxes, scores])
one_type("NonMaxSuppression", "centres", [F([[[0.5, 0.5, 1, 1], [0.5, 0.6, 1, 1], [0.5, 10.5, 1, 1]]], "float32"),
                                          F([[[0.9, 0.75, 0.6]]], "float32"), K([3]), K([0.5])], {"center_point_box": 1})

# --- sampling --------------------------------------------------------------------------------------------------------

for scales in ([1, 1, 2, 3], [1, 1, 1.5, 2.5], [2, 1, 1, 1.3]):
    for mode in ("nearest", "linear"):
        if mode == "linear" and scales[0] != 1:
            continue
        C("Upsample", f"{mode} by {scales}, attribute", [T(R(1, 2, 2, 3))], {"scales": [float(s) for s in scales], "mode": mode},
          until=8, types=["float"])
        C("Upsample", f"{mode} by {scales}, operand", [T(R(1, 2, 2, 3)), K(scales, "float32")], {"mode": mode}, since=9, until=9,
          types=["float", "int32", "uint8"] if mode == "nearest" else ["float"])
for scales in ([1, 1, 2, 3], [1, 1, 0.6, 0.6], [1, 1, 0.5, 0.5], [1, 1, 0.7, 0.4], [1, 1, 0.6, 1.7], [1, 1, 1.3, 0.45], [0.5, 1, 2.5, 0.8]):
    for mode in ("nearest", "linear"):
        if mode == "linear" and scales[0] != 1:
            continue
        C("Resize", f"{mode} by {scales} as of opset 10", [T(R(2, 1, 5, 7)), K(scales, "float32")], {"mode": mode}, until=10,
          types=["float"])
C("Resize", "nearest by scales that are fed, as of opset 10", [T(R(1, 1, 5, 7)), F([1, 1, 0.7, 1.6], "float32")], until=10, types=["float"])
C("Resize", "types as of opset 10: after 0, 1.67, 3.33 and before 0, 0.5, 1, ...", [T(R(1, 1, 5, 7)), K([1, 1, 0.6, 2], "float32")], until=10,
  by_hand=lambda x, s: x[:, :, [0, 2, 4]].repeat(2, 3))
NO_ROI = K(np.zeros(0, "float32"))  # optional only since opset 13
C("Resize", "types", [T(R(1, 1, 2, 3)), NO_ROI, K([1, 1, 2, 2], "float32")], {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"},
  since=11, by_hand=lambda x, r, s: x.repeat(2, 2).repeat(2, 3))
C("Resize", "roi left out", [T(R(1, 1, 2, 3)), None, K([1, 1, 2, 2], "float32")], since=13, types=["float"])


def corners_aligned(x, roi, scales, rounding):
    """Nearest elements where the corners are: the length before it is rounded down counts."""
    for axis, scale in enumerate(scales):
        length = round(float(scale) * x.shape[axis], 4)
        if float(scale) != 1:
            at = np.round(np.arange(int(length)) * (x.shape[axis] - 1) / (length - 1), 6)
            at = {"floor": np.floor, "ceil": np.ceil, "round_prefer_ceil": lambda v: np.floor(v + 0.5),
                  "round_prefer_floor": lambda v: np.ceil(v - 0.5)}[rounding](at)
            x = x.take(np.clip(at, 0, x.shape[axis] - 1).astype(int), axis)
    return x


for transformation in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn", "half_pixel_symmetric"):
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        since = {"half_pixel_symmetric": 19}.get(transformation, 11)
        until = {"tf_half_pixel_for_nn": 12}.get(transformation, LAST)
        for scales in ([1, 1, 0.6, 1.7], [1, 1, 2.5, 0.8]):
            C("Resize", f"nearest, {transformation}, {rounding}, by {scales}", [T(R(1, 1, 4, 5)), NO_ROI, K(scales, "float32")],
              {"coordinate_transformation_mode": transformation, "nearest_mode": rounding}, since=since, until=until, types=["float"],
              every_version=False, by_hand=(lambda x, r, s, rounding=rounding: corners_aligned(x, r, s, rounding))
              if transformation == "align_corners" else None)
    for mode in ("linear", "cubic"):
        if transformation == "tf_half_pixel_for_nn":
            continue
        C("Resize", f"{mode}, {transformation}", [T(R(1, 1, 4, 5)), NO_ROI, K([1, 1, 0.6, 1.7], "float32")],
          {"coordinate_transformation_mode": transformation, "mode": mode}, since={"half_pixel_symmetric": 19}.get(transformation, 11),
          types=["float"], by_hand="reference" if transformation == "align_corners" else None)  # ONNX Runtime rounds sizes first
C("Resize", "sizes", [T(R(1, 1, 4, 5)), None, None, K([1, 1, 3, 8])], {"mode": "linear"}, since=13, types=["float"])
C("Resize", "sizes, empty roi and scales", [T(R(1, 1, 4, 5)), K(np.zeros(0, "float32")), K(np.zeros(0, "float32")), K([1, 1, 3, 8])],
  {"mode": "linear"}, since=11, types=["float"])
C("Resize", "crop and resize, extrapolated", [T(R(1, 1, 4, 5)), K([0, 0, 0.3, -0.2, 1, 1, 1.2, 0.6], "float32"), None, K([1, 1, 3, 3])],
  {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 9.0}, since=13, types=["float"])
C("Resize", "cubic, exclude_outside, own coefficient", [T(R(1, 1, 4, 5)), None, K([1, 1, 1.5, 0.7], "float32")],
  {"mode": "cubic", "exclude_outside": 1, "cubic_coeff_a": -0.5}, since=13, types=["float"])
C("Resize", "antialias", [T(R(1, 1, 6, 7)), None, K([1, 1, 0.5, 0.6], "float32")], {"mode": "linear", "antialias": 1}, since=18, types=["float"])
C("Resize", "antialias, cubic", [T(R(1, 1, 6, 7)), None, K([1, 1, 0.5, 0.6], "float32")], {"mode": "cubic", "antialias": 1}, since=18, types=["float"])
for policy in ("not_larger", "not_smaller"):
    C("Resize", f"axes, {policy}", [T(R(1, 1, 4, 6)), None, None, K([7, 7])], {"axes": [2, 3], "keep_aspect_ratio_policy": policy},
      since=18, types=["float"])
grid = R(1, 2, 3, 2, lo=-1.3, hi=1.3)
for mode in ("linear", "nearest", "cubic"):
    for padding in ("zeros", "border", "reflection"):
        for align in (0, 1):
            old = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
            C("GridSample", f"{mode}, {padding}, align_corners {align}", [T(R(1, 1, 3, 4)), F(grid, "float32")],
              {"mode": old, "padding_mode": padding, "align_corners": align}, until=19, types=["float"])
            C("GridSample", f"{mode}, {padding}, align_corners {align}", [T(R(1, 1, 3, 4)), F(grid, "float32")],
              {"mode": mode, "padding_mode": padding, "align_corners": align}, since=20, types=["float"])
C("GridSample", "volume", [T(R(1, 1, 2, 3, 2)), F(R(1, 1, 2, 2, 3, lo=-1.2, hi=1.2), "float32")], since=20, types=["float"])
for mode in ("avg", "max"):
    C("RoiAlign", f"{mode}, default coordinates", [T(R(1, 2, 6, 6)), T([[0.3, 0.4, 4.2, 4.9], [1.0, 1.0, 2.5, 5.0]]), F([0, 0], "int64")],
      {"mode": mode, "output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.9}, types=["float", "double"])
    C("RoiAlign", f"{mode}, boxes without area and turned round", [T(R(1, 1, 6, 6)), T([[2.0, 2.0, 2.0, 2.0], [3.0, 1.0, 3.0, 4.0], [4.0, 4.0, 1.0, 2.0]]),
                                                    F([0, 0, 0], "int64")],
      {"mode": mode, "output_height": 2, "output_width": 2, "sampling_ratio": 2}, types=["float"])
    C("RoiAlign", f"{mode}, adaptive sampling", [T(R(1, 1, 6, 6)), T([[0.5, 0.5, 5.0, 4.0]]), F([0], "int64")],
      {"mode": mode, "output_height": 2, "output_width": 2}, types=["float"])
    C("RoiAlign", f"{mode}, output_half_pixel", [T(R(1, 1, 6, 6)), T([[0.3, 0.4, 4.2, 4.9], [2.0, 2.0, 2.0, 2.0]]), F([0, 0], "int64")],
      {"mode": mode, "output_height": 2, "output_width": 2, "coordinate_transformation_mode": "output_half_pixel"}, since=16, types=["float"])

# --- reductions, order -----------------------------------------------------------------------------------------------

for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
           "ReduceLogSumExp", "ReduceSumSquare"):
    last_attr = 12 if op == "ReduceSum" else 17
    x = [T(R(2, 3, 2, lo=0.4, hi=2))]
    all_types(op, "axes as attribute", x, {"axes": [0, 2], "keepdims": 0}, until=last_attr)
    one_type(op, "every axis by default", x)
    one_type(op, "negative axes", x, {"axes": [-2]}, since=11, until=last_attr)
    all_types(op, "axes as operand", x + [K([0, -1])], {"keepdims": 0}, since=last_attr + 1)
    one_type(op, "empty axes: all", x + [K(np.zeros(0, "int64"))], since=last_attr + 1)
    pointwise = {"ReduceL1": np.abs, "ReduceL2": np.abs, "ReduceLogSum": np.log, "ReduceLogSumExp": lambda v: v, "ReduceSumSquare": np.square}
    one_type(op, "empty axes and noop: what stands around the sum stays", x + [K(np.zeros(0, "int64"))], {"noop_with_empty_axes": 1}, since=last_attr + 1,
             by_hand=lambda v, a, op=op: pointwise.get(op, lambda w: w)(v).astype(v.dtype))
    one_type(op, "a scalar", [T(1.5)])
C("ReduceMax", "bool", [T(R(2, 3))], since=20, types=["bool"], by_hand=lambda x: x.any(keepdims=True))
C("ReduceMin", "bool", [T(R(2, 3))], since=20, types=["bool"], by_hand=lambda x: x.all(keepdims=True))
for op in ("ArgMax", "ArgMin"):
    all_types(op, "ties: the first", [T([[2.0, 1.0, 2.0], [1.0, 1.0, 2.0]])], {"axis": 1, "keepdims": 0})
    one_type(op, "default axis", [T(R(3, 2))])
    one_type(op, "negative axis", [T(R(3, 2))], {"axis": -1}, since=11)
    one_type(op, "the first NaN", [T([2.0, 1.0, nan, 0.0, nan])],
             by_hand=lambda x, op=op: (np.argmax if op == "ArgMax" else np.argmin)(x, axis=0, keepdims=True))
    one_type(op, "ties: the last", [T([[2.0, 1.0, 2.0], [1.0, 1.0, 2.0]])], {"axis": 1, "select_last_index": 1}, since=12)
for op in ("Softmax", "LogSoftmax", "Hardmax"):
    all_types(op, "default axis", [T(R(2, 3, 2))])
    one_type(op, "axis 0", [T(R(2, 3))], {"axis": 0})
    one_type(op, "axis 2 of four", [T(R(2, 2, 3, 2))], {"axis": 2})
    one_type(op, "negative axis", [T(R(2, 3, 2))], {"axis": -2}, since=11)
all_types("TopK", "k as attribute", [T(R(2, 5))], {"k": 2}, outputs=2, until=9)
all_types("TopK", "k as operand", [T([[1.0, 4.0, 2.0, 4.0, 0.0]]), K([3])], outputs=2, since=10)
one_type("TopK", "axis 0", [T(R(4, 2)), K([3])], {"axis": 0}, outputs=2, since=10)
one_type("TopK", "smallest", [T(R(2, 5)), F([2], "int64")], {"largest": 0, "axis": -1}, outputs=2, since=11)
all_types("CumSum", "axis 1", [T(R(2, 4)), K(1)])
one_type("CumSum", "exclusive and reverse, axis as i32", [T(R(2, 4)), F(-2, "int32")], {"exclusive": 1, "reverse": 1})
all_types("Det", "a batch", [T(R(2, 3, 3))], by_hand=lambda x: np.linalg.det(x.astype(np.float64)).astype(x.dtype))

# --- convolutions, pools ---------------------------------------------------------------------------------------------

all_types("Conv", "stride, pads, bias", [T(R(1, 2, 5, 6)), KT(R(3, 2, 3, 3)), KT(R(3))], {"strides": [2, 1], "pads": [1, 0, 1, 2]})
one_type("Conv", "groups, dilations", [T(R(1, 4, 6, 6)), KT(R(4, 2, 2, 2))], {"group": 2, "dilations": [2, 3]})
for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    one_type("Conv", auto, [T(R(1, 1, 5, 6)), KT(R(2, 1, 2, 4))], {"auto_pad": auto, "strides": [2, 2], "kernel_shape": [2, 4]})
one_type("Conv", "one spatial axis", [T(R(2, 2, 7)), KT(R(2, 2, 3))], {"pads": [2, 0]})
one_type("Conv", "three spatial axes, depthwise", [T(R(1, 2, 3, 4, 3)), KT(R(2, 1, 2, 2, 2))], {"group": 2, "pads": [1, 0, 1, 0, 0, 1]})
C("ConvInteger", "zero points", [F(I(1, 1, 4, 4, hi=200, dtype="uint8")), K(I(2, 1, 2, 2, lo=0, hi=200, dtype="uint8")), K(7, "uint8"),
                                         K(9, "uint8")], types=["uint8"])
C("ConvInteger", "i8 weights, no zero points", [F(I(1, 2, 4, 4, hi=200, dtype="uint8")), K(I(2, 2, 3, 3, lo=-90, hi=90, dtype="int8"))], {"pads": [1, 1, 1, 1]},
  types=["uint8"])
all_types("ConvTranspose", "stride, pads, output_padding", [T(R(1, 2, 3, 3)), KT(R(2, 3, 3, 3)), KT(R(3))],
          {"strides": [2, 2], "pads": [1, 0, 0, 1], "output_padding": [1, 0]})
one_type("ConvTranspose", "groups, dilations", [T(R(1, 4, 3, 3)), KT(R(4, 1, 2, 2))], {"group": 2, "dilations": [2, 2]})
one_type("ConvTranspose", "output_shape", [T(R(1, 1, 3, 3)), KT(R(1, 2, 3, 3))], {"strides": [3, 2], "output_shape": [10, 8]})
for auto in ("SAME_UPPER", "SAME_LOWER"):
    one_type("ConvTranspose", auto, [T(R(1, 1, 3, 3)), KT(R(1, 2, 3, 4))], {"strides": [2, 2], "auto_pad": auto})
    one_type("ConvTranspose", f"output_shape, {auto}", [T(R(1, 1, 3, 3)), KT(R(1, 2, 3, 3))],
             {"strides": [3, 2], "output_shape": [10, 8], "auto_pad": auto})
one_type("ConvTranspose", "one spatial axis", [T(R(1, 2, 4)), KT(R(2, 2, 3))], {"strides": [2]})
for op in ("AveragePool", "MaxPool", "LpPool"):
    all_types(op, "stride and pads", [T(R(1, 2, 5, 6))], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]})
    for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        one_type(op, auto, [T(R(1, 1, 5, 6))], {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": auto})
    one_type(op, "one spatial axis", [T(R(1, 2, 7))], {"kernel_shape": [3], "pads": [1, 2]})
    if op != "LpPool":
        one_type(op, "three spatial axes", [T(R(1, 1, 3, 4, 3))], {"kernel_shape": [2, 2, 2], "strides": [1, 2, 1]})
    ceil_since = {"AveragePool": 10, "MaxPool": 10, "LpPool": 18}[op]
    for size, kernel, stride, pads in ((7, 3, 2, 0), (6, 3, 2, 0), (5, 2, 3, 1), (4, 2, 3, 1), (5, 1, 3, 0), (6, 3, 4, 1)):
        one_type(op, f"ceil_mode: {size} by {kernel}/{stride}, pads {pads}", [T(R(1, 1, size, size))],
                 {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pads if kernel > 1 else 0] * 4, "ceil_mode": 1}, since=ceil_since)
    dilation_since = {"AveragePool": 19, "MaxPool": 10, "LpPool": 18}[op]
    one_type(op, "dilations", [T(R(1, 1, 7, 8))], {"kernel_shape": [2, 3], "dilations": [3, 2], "pads": [1, 0, 1, 1]}, since=dilation_since)
    one_type(op, "dilations, ceil_mode", [T(R(1, 1, 7, 8))], {"kernel_shape": [2, 3], "dilations": [3, 2], "strides": [2, 2], "ceil_mode": 1},
             since=dilation_since)
one_type("AveragePool", "count_include_pad", [T(R(1, 1, 5, 5))], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1})
for size, kernel, stride, pads in ((6, 3, 2, 1), (6, 3, 4, 1), (4, 2, 3, 1), (7, 3, 3, 0)):
    one_type("AveragePool", f"count_include_pad, ceil_mode: {size} by {kernel}/{stride}, pads {pads}", [T(R(1, 1, size, size))],
             {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pads] * 4, "count_include_pad": 1, "ceil_mode": 1}, since=19)
one_type("MaxPool", "indices", [T(R(2, 2, 5, 5))], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, outputs=2, since=8)
one_type("MaxPool", "indices, column major", [T(R(1, 2, 4, 5))], {"kernel_shape": [2, 2], "storage_order": 1}, outputs=2, since=8)
one_type("LpPool", "p 1", [T(R(1, 1, 4, 4))], {"kernel_shape": [2, 2], "p": 1})
one_type("LpPool", "p 3, negative values", [T(R(1, 1, 4, 4))], {"kernel_shape": [2, 2], "p": 3})


def global_lp(x, p=2):
    axes = tuple(range(2, x.ndim))
    return ((np.abs(x.astype(np.float64)) ** p).sum(axes, keepdims=True) ** (1 / p)).astype(x.dtype)


for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
    all_types(op, "two spatial axes", [T(R(2, 3, 3, 2))], by_hand=global_lp if op == "GlobalLpPool" else None)
    one_type(op, "one spatial axis", [T(R(2, 3, 4))], by_hand=global_lp if op == "GlobalLpPool" else None)
one_type("GlobalLpPool", "p 1", [T(R(1, 2, 3, 3))], {"p": 1}, by_hand=lambda x: global_lp(x, 1))
C("MaxUnpool", "stride two", [T(R(1, 1, 2, 2)), F([[[[5, 7], [13, 15]]]], "int64")], {"kernel_shape": [2, 2], "strides": [2, 2]})


def unpool_into_five(x, indices, shape):
    """As the ONNX project's own case wants it: indices of the 4 x 4 plane, which then grows."""
    y = np.zeros((1, 1, 4, 4), x.dtype)
    y.reshape(-1)[indices.reshape(-1)] = x.reshape(-1)
    return np.pad(y, ((0, 0), (0, 0), (0, 1), (0, 1)))


one_type("MaxUnpool", "output_shape", [T(R(1, 1, 2, 2)), F([[[[5, 7], [13, 15]]]], "int64"), K([1, 1, 5, 5])],
         {"kernel_shape": [2, 2], "strides": [2, 2]}, by_hand=unpool_into_five)

# --- products --------------------------------------------------------------------------------------------------------

all_types("MatMul", "batches broadcast", [T(R(2, 1, 2, 3)), T(R(3, 3, 2))])
one_type("MatMul", "vector and matrix", [T(R(3)), T(R(2, 3, 2))])
one_type("MatMul", "two vectors", [T(R(3)), KT(R(3))])
C("MatMulInteger", "zero points", [F(I(2, 3, hi=200, dtype="uint8")), K(I(3, 2, hi=200, dtype="uint8")), K(7, "uint8"), K(9, "uint8")], types=["uint8"])
C("MatMulInteger", "i8 weights, per column", [F(I(2, 3, hi=200, dtype="uint8")), K(I(3, 2, lo=-90, hi=90, dtype="int8")), None, K([3, -4], "int8")], types=["uint8"])
all_types("Gemm", "alpha, beta, both transposed, C a row", [T(R(3, 2)), T(R(4, 3)), T(R(4))], {"alpha": 3.0, "beta": 2.0, "transA": 1, "transB": 1})
for shape in ((), (1,), (2, 1), (1, 4), (2, 4)):
    one_type("Gemm", f"C of shape {shape}", [T(R(2, 3)), KT(R(3, 4)), KT(R(*shape))])
one_type("Gemm", "one column, C a scalar", [T(R(2, 3)), KT(R(3, 1)), KT(R())])
one_type("Gemm", "no C", [T(R(2, 3)), KT(R(3, 4))], {"beta": 3.0}, since=11)
all_types("Einsum", "batch product", [T(R(2, 2, 3)), T(R(2, 3, 2))], {"equation": "bij,bjk->bik"})
one_type("Einsum", "diagonal", [T(R(3, 3))], {"equation": "ii->i"})
one_type("Einsum", "ellipsis, implicit result", [T(R(2, 2, 3)), T(R(3, 2))], {"equation": "...ij,jk"})

# --- normalisations --------------------------------------------------------------------------------------------------

stats = lambda c: [KT(R(c)), KT(R(c)), KT(R(c)), KT(R(c, lo=0.3, hi=2))]
C("BatchNormalization", "inference", [T(R(2, 3, 2, 2))] + stats(3), {"epsilon": 1e-3}, types=["float", "double", "float16"])
one_type("BatchNormalization", "matrix", [T(R(4, 3))] + stats(3))
one_type("BatchNormalization", "spatial and momentum", [T(R(2, 3, 2))] + stats(3), {"momentum": 0.5}, until=8)
C("BatchNormalization", "results of training left empty", [T(R(2, 3, 2))] + stats(3), outputs=["y0", "", "", "", ""], until=13, types=["float"],
  by_hand=lambda x, s, b, m, v: ((x - m[:, None]) / np.sqrt(v[:, None] + 1e-5) * s[:, None] + b[:, None]).astype(np.float32))
C("BatchNormalization", "statistics per element", [T(R(2, 3, 2))] + [KT(R(3, 2)) for _ in range(4)], {"spatial": 0}, until=8, types=["float"], refused=True)
C("BatchNormalization", "training", [T(R(2, 3, 2))] + stats(3), {"training_mode": 1}, since=14, types=["float"], refused=True)
C("BatchNormalization", "f16 data, f32 statistics", [T(R(2, 3, 2)), K(R(3)), K(R(3)), K(R(3)), K(R(3, lo=0.3, hi=2))], since=15, types=["float16"],
  by_hand=lambda x, s, b, m, v: ((x.astype(np.float32) - m[:, None]) / np.sqrt(v[:, None] + 1e-5) * s[:, None] + b[:, None]).astype(np.float16))
all_types("InstanceNormalization", "three spatial extents", [T(R(2, 3, 2, 4)), KT(R(3)), KT(R(3))])
one_type("InstanceNormalization", "epsilon", [T(R(1, 2, 5)), KT(R(2)), KT(R(2))], {"epsilon": 0.1})


def lrn_of_four(x):
    """Channels c - 1 to c + 2: floor and ceiling of (4 - 1) / 2."""
    wide = x.astype(np.float64)
    squares = np.stack([(wide[:, max(0, c - 1):c + 3] ** 2).sum(1) for c in range(x.shape[1])], 1)
    return (wide / (2 + 0.5 / 4 * squares) ** 0.5).astype(x.dtype)


all_types("LRN", "even size", [T(R(1, 5, 2, 2))], {"size": 4, "alpha": 0.5, "beta": 0.5, "bias": 2.0}, by_hand=lrn_of_four)
one_type("LRN", "defaults", [T(R(1, 5, 2, 2))], {"size": 3})
for p in (1, 2):
    C("LpNormalization", f"p {p}", [T(R(2, 3))], {"p": p, "axis": 0}, types=["float", "double"])
one_type("MeanVarianceNormalization", "default axes", [T(R(2, 2, 3, 2))])
one_type("MeanVarianceNormalization", "axes", [T(R(2, 2, 3, 2))], {"axes": [1, -1]}, by_hand=lambda x: (
    (x - x.mean((1, 3), keepdims=True)) / (x.std((1, 3), keepdims=True) + 1e-9)).astype(np.float32))
C("LayerNormalization", "last axis, statistics too", [T(R(2, 3, 4)), KT(R(4)), KT(R(4))], outputs=3, types=["float", "double", "float16", "bfloat16"],
  by_hand=lambda x, s, b: layer_norm(x, s, b, -1))
one_type("LayerNormalization", "axis 1, no bias", [T(R(2, 3, 4)), KT(R(3, 4))], {"axis": 1, "epsilon": 0.1})


def layer_norm(x, scale, bias, axis, epsilon=1e-5):
    axes = tuple(range(axis % x.ndim, x.ndim))
    wide = x.astype(np.float64)
    mean = wide.mean(axes, keepdims=True)
    inverse = 1 / np.sqrt(wide.var(axes, keepdims=True) + epsilon)
    y = (wide - mean) * inverse * scale.astype(np.float64) + (0 if bias is None else bias.astype(np.float64))
    return y.astype(x.dtype), mean.astype(np.float32), inverse.astype(np.float32)


for shape in ((1, 1, 4), (2, 3, 4), (1, 3, 1), (2, 1, 1), (1,), ()):
    one_type("LayerNormalization", f"scale and bias of shape {shape}", [T(R(2, 3, 4)), KT(R(*shape)), KT(R(*shape))],
             by_hand=lambda x, s, b: layer_norm(x, s, b, -1)[0])
    one_type("LayerNormalization", f"axis 1, scale of shape {shape}, fed", [T(R(2, 3, 4)), T(R(*shape))], {"axis": 1},
             by_hand=lambda x, s: layer_norm(x, s, None, 1)[0])


def group_norm(x, scale, bias, groups, per_group):
    n, c = x.shape[:2]
    wide = x.astype(np.float64).reshape(n, groups, -1)
    y = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    if per_group:
        return (y * scale[:, None] + bias[:, None]).reshape(x.shape).astype(x.dtype)
    shape = (1, c) + (1,) * (x.ndim - 2)
    return (y.reshape(x.shape) * scale.reshape(shape) + bias.reshape(shape)).astype(x.dtype)


for how, note in ((KT, "constants"), (T, "fed")):
    C("GroupNormalization", f"scale and bias per group, {note}", [T(R(2, 4, 3, 2)), how(R(2)), how(R(2))], {"num_groups": 2}, until=20,
      types=["float", "double", "float16"], by_hand=lambda x, s, b: group_norm(x, s, b, 2, True))
    C("GroupNormalization", f"scale and bias per channel, {note}", [T(R(2, 4, 3, 2)), how(R(4)), how(R(4))], {"num_groups": 2}, since=21,
      types=["float", "double", "float16"], by_hand=lambda x, s, b: group_norm(x, s, b, 2, False))

# --- losses ----------------------------------------------------------------------------------------------------------

for op in ("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"):
    for reduction in ("none", "sum", "mean"):
        C(op, f"{reduction}, weights, ignore_index", [T(R(3, 4, 2)), F([[0, 3], [1, 1], [2, 0]], "int64"), T(R(4, lo=0.2, hi=1))],
          {"reduction": reduction, "ignore_index": 1}, types=["float", "double"] if reduction == "mean" else ["float"])
    one_type(op, "negative ignore_index, i32 labels", [T(R(3, 4)), F([0, -5, 3], "int32")], {"ignore_index": -5})
one_type("SoftmaxCrossEntropyLoss", "log probabilities", [T(R(3, 4)), F([0, 2, 3], "int64")], outputs=2)

# --- quantization ----------------------------------------------------------------------------------------------------

half = np.array([-1.5, -0.5, 0.5, 1.5, 2.5, 300.0, -300.0, 0.26])
for word in ("uint8", "int8"):
    C("QuantizeLinear", f"ties to even, saturation, {word}", [T(half), KT(0.5), K(3, word)], types=["float"])
    C("DequantizeLinear", f"{word}", [F(cast(R(2, 3, hi=30, lo=-30), DTYPES[word])), K(0.25, "float32"), K(5, word)], types=[word])
for word in ("uint16", "int16"):
    C("QuantizeLinear", f"{word}", [T(half * 100), KT(0.5), K(3, word)], types=["float"], since=21)
    C("DequantizeLinear", f"{word}", [F(cast(R(2, 3, hi=30, lo=-30), DTYPES[word])), K(0.25, "float32"), K(5, word)], types=[word], since=21)
C("QuantizeLinear", "no zero point: u8", [T(half), KT(0.5)], types=["float"])
C("QuantizeLinear", "of i32", [F([-3, 5, 100, 1000], "int32"), K(2.0, "float32"), K(1, "uint8")], types=["int32"], until=18,
  by_hand=lambda x, s, z: np.clip(np.rint(x / s) + z, 0, 255).astype(np.uint8))
C("DequantizeLinear", "of i32, no zero point", [F([-3, 5, 100, 1000], "int32"), K(0.125, "float32")], types=["int32"])
C("QuantizeLinear", "per axis", [T(R(2, 3, 2)), KT([0.1, 0.2, 0.3]), K([1, 2, 3], "uint8")], {"axis": 1}, since=13, types=["float"])
C("QuantizeLinear", "per axis, negative", [T(R(2, 3, 2)), KT([0.1, 0.2]), K([1, -2], "int8")], {"axis": -1}, since=13, types=["float"])
C("DequantizeLinear", "per axis", [F(cast(R(2, 3, hi=30, lo=-30), DTYPES["int8"])), K([0.25, 0.5], "float32"), K([5, -6], "int8")], {"axis": 0}, since=13,
  types=["int8"])
C("QuantizeLinear", "f16 data and scale", [T(half), KT(0.5), K(3, "uint8")], since=19, types=["float16"],
  by_hand=lambda x, s, z: np.clip(np.rint(x.astype(np.float32) / np.float32(s)) + 3, 0, 255).astype(np.uint8))
C("DequantizeLinear", "f16 scale", [F(cast(R(2, 3, hi=30, lo=-30), DTYPES["int8"])), K(0.25, "float16"), K(5, "int8")], since=19, types=["int8"])
for op, x, z in (("QuantizeLinear", R(2, 4), "uint8"), ("DequantizeLinear", I(2, 4, hi=50, dtype="uint8"), "uint8")):
    C(op, "in blocks", [F(x, "float32") if op[0] == "Q" else F(x), K(R(2, 2, lo=0.1, hi=1)), K(I(2, 2, hi=9, dtype=z))], {"axis": 1, "block_size": 2},
      since=21, types=["float" if op[0] == "Q" else "uint8"], refused=True)
C("QuantizeLinear", "output_dtype without zero point", [T(R(4)), KT(0.5)], {"output_dtype": TP.INT8}, since=21, types=["float"], refused=True)
one_type("DynamicQuantizeLinear", "both signs", [T(R(2, 3))], outputs=3)
one_type("DynamicQuantizeLinear", "positive only", [T(R(2, 3, lo=1))], outputs=3)
one_type("DynamicQuantizeLinear", "zeros", [T(np.zeros((2, 3)))], outputs=3)
qconv = [F(I(1, 2, 4, 4, hi=200, dtype="uint8")), K(0.02, "float32"), K(100, "uint8"), K(I(3, 2, 2, 2, lo=-90, hi=90, dtype="int8"))]
C("QLinearConv", "one scale", qconv + [K(0.03, "float32"), K(0, "int8"), K(0.1, "float32"), K(110, "uint8"), K([5, -100, 200], "int32")], types=["uint8"])
C("QLinearConv", "scales per channel", qconv + [K([0.03, 0.01, 0.02], "float32"), K([0, 0, 0], "int8"), K(0.1, "float32"), K(110, "uint8")],
  {"pads": [1, 0, 0, 1]}, types=["uint8"])
qa, qb = I(2, 3, hi=200, dtype="uint8"), I(3, 2, lo=-90, hi=90, dtype="int8")
C("QLinearMatMul", "u8 by i8", [F(qa), K(0.02, "float32"), K(100, "uint8"), K(qb), K(0.03, "float32"), K(2, "int8"), K(0.1, "float32"), K(110, "uint8")],
  types=["uint8"])
C("QLinearMatMul", "scales per column", [F(qa), K(0.02, "float32"), K(100, "uint8"), K(qb), K([0.03, 0.01], "float32"), K([2, -3], "int8"), K(0.1, "float32"),
                                         K(110, "uint8")], types=["uint8"])


def qlinear_matmul(a, sa, za, b, sb, zb, sy, zy):
    product = (a.astype(np.int64) - za) @ (b.astype(np.int64) - zb)
    scale = np.float32(sa) * np.float32(sb) / np.float32(sy)
    return np.clip(np.rint(product * scale) + int(zy), 0, 255).astype(np.uint8)


for word in ("float16", "bfloat16"):
    C("QLinearMatMul", f"scales of {word}", [F(qa), K(0.25, DTYPES[word]), K(100, "uint8"), K(qb), K(0.0625, DTYPES[word]), K(2, "int8"),
                                             K(2.0, DTYPES[word]), K(110, "uint8")], types=["uint8"], since=21, by_hand=qlinear_matmul)

# --- sequences -------------------------------------------------------------------------------------------------------

for op, gates, results in (("RNN", 1, 2), ("GRU", 3, 2), ("LSTM", 4, 3)):
    h = 3
    for direction, d in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
        weights = [KT(R(d, gates * h, 2, lo=-1, hi=1)), KT(R(d, gates * h, h, lo=-1, hi=1)), KT(R(d, 2 * gates * h, lo=-1, hi=1))]
        C(op, f"{direction}, bias, lengths", [T(R(4, 2, 2))] + weights + [F([4, 2], "int32")], {"hidden_size": h, "direction": direction}, outputs=results,
          types=["float"])
    weights = [KT(R(1, gates * h, 2, lo=-1, hi=1)), KT(R(1, gates * h, h, lo=-1, hi=1))]
    C(op, "initial state, no bias", [T(R(4, 2, 2))] + weights + [None, None, T(R(1, 2, h))], {"hidden_size": h}, outputs=results, types=["float"])
    C(op, "clip", [T(R(4, 2, 2))] + weights, {"hidden_size": h, "clip": 0.5}, outputs=results, types=["float"])
    C(op, "last state only", [T(R(4, 2, 2))] + weights, {"hidden_size": h}, outputs=["", "y1"], types=["float"])
C("RNN", "activation Relu", [T(R(4, 2, 2)), KT(R(1, 3, 2)), KT(R(1, 3, 3))], {"hidden_size": 3, "activations": ["Relu"]}, outputs=2, types=["float"])
C("GRU", "linear_before_reset", [T(R(4, 2, 2)), KT(R(1, 9, 2)), KT(R(1, 9, 3)), KT(R(1, 18))], {"hidden_size": 3, "linear_before_reset": 1}, outputs=2,
  types=["float"])
C("LSTM", "peepholes and initial cell", [T(R(3, 2, 2)), KT(R(1, 12, 2)), KT(R(1, 12, 3)), None, None, T(R(1, 2, 3)), T(R(1, 2, 3)), KT(R(1, 9))],
  {"hidden_size": 3}, outputs=3, types=["float"])
C("LSTM", "input_forget", [T(R(3, 2, 2)), KT(R(1, 12, 2)), KT(R(1, 12, 3))], {"hidden_size": 3, "input_forget": 1}, outputs=3, types=["float"])


def batch_first_rnn(x, w, r):
    steps, h = [], np.zeros((x.shape[0], 3))
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t].astype(np.float64) @ w[0].T + h @ r[0].T)
        steps.append(h)
    return np.stack(steps, 1)[:, :, None].astype(np.float32), h[:, None].astype(np.float32)


C("RNN", "batch first", [T(R(2, 4, 2)), KT(R(1, 3, 2)), KT(R(1, 3, 3))], {"hidden_size": 3, "layout": 1}, outputs=2, since=14, types=["float"],
  by_hand=batch_first_rnn)

# --- refused in words: what a version brought that Tercel does not have -----------------------------------------------------

F8 = TP.FLOAT8E4M3FN
C("Cast", "to 8-bit floats", [F([1.0, 2.0], "float32")], {"to": F8}, since=19, types=["float"], refused=True)
C("Cast", "to strings", [F([1.0, 2.0], "float32")], {"to": TP.STRING}, types=["float"], refused=True)
C("Cast", "to 4-bit integers", [F([1.0, 2.0], "float32")], {"to": TP.INT4}, since=21, types=["float"], refused=True)

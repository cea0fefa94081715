#!/usr/bin/env python3
"""Writes the opset-history cases: for every operator Tercel reads and every opset from 7 on at which its schema changed,
small models with the right values. Needs onnx, onnxruntime, numpy and ml_dtypes; the same bytes come out every time.

    python3 make_cases.py FOLDER

Right values come, in this order, from ONNX Runtime; from numpy, written here after the text of the specification
(`by_hand`); from ONNX Runtime in a wider type, cast down, where it has no kernel for a type of the specification; and
from the reference implementation of the ONNX project. cases.txt says which it was. A version without a case stops the script.
"""
import math
import os
import pickle
import re
import struct
import sys
import zlib

import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime as ort
from onnx import TensorProto as TP
from onnx import helper, numpy_helper

FIRST, LAST = 7, 22
HERE = os.path.dirname(os.path.abspath(__file__))
BF16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = {
    "float": np.dtype("float32"), "double": np.dtype("float64"), "float16": np.dtype("float16"), "bfloat16": BF16,
    "int8": np.dtype("int8"), "uint8": np.dtype("uint8"), "int16": np.dtype("int16"), "uint16": np.dtype("uint16"),
    "int32": np.dtype("int32"), "uint32": np.dtype("uint32"), "int64": np.dtype("int64"), "uint64": np.dtype("uint64"),
    "bool": np.dtype("bool"),
}
CODES = {dtype: TP.BFLOAT16 if dtype == BF16 else helper.np_dtype_to_tensor_dtype(dtype) for dtype in DTYPES.values()}
WIDER = {"float16": ["float"], "bfloat16": ["float"], "double": ["float"], "int8": ["int32", "int64", "float"],
         "uint8": ["int32", "int64", "float"], "int16": ["int32", "int64", "float"], "uint16": ["int32", "int64", "float"],
         "int32": ["int64", "float"], "uint32": ["int64", "float"], "uint64": ["int64", "float"], "int64": ["double", "float"]}


def cast(values, dtype):
    """Real numbers as elements of `dtype`: integers are three times as large, unsigned ones without sign."""
    values = np.asarray(values)
    if dtype.kind in "iu":
        values = np.trunc(values * 3) if values.dtype.kind == "f" else values
        values = np.abs(values) if dtype.kind == "u" else values
    return np.asarray(values > 0 if dtype.kind == "b" else values.astype(dtype))


class Operand:
    def __init__(self, values, typed, constant):
        self.values, self.typed, self.constant = np.asarray(values), typed, constant

    def array(self, dtype, as_wide=None):
        """The elements; of a typed operand those that `dtype` has, held in a wider type where one is given."""
        if not self.typed:
            return self.values
        own = cast(self.values, dtype)
        return own if as_wide is None else own.astype(as_wide)


def T(values):  # of the case's type, fed
    return Operand(values, True, False)


def KT(values):  # of the case's type, constant
    return Operand(values, True, True)


def K(values, dtype=None):  # of its own type, constant
    values = np.asarray(values)
    if dtype is None and values.dtype == np.float64:
        dtype = "float32"
    return Operand(values.astype(dtype) if dtype else values, False, True)


def F(values, dtype=None):  # of its own type, fed
    operand = K(values, dtype)
    operand.constant = False
    return operand


_random = np.random.default_rng(7)


def R(*shape, lo=-2.5, hi=2.5):
    return np.round(_random.uniform(lo, hi, shape), 3)


def I(*shape, lo=0, hi=3, dtype="int64"):
    return _random.integers(lo, hi, shape).astype(dtype)


HISTORY = {}
for _schema in onnx.defs.get_all_schemas_with_history():
    if _schema.domain == "":
        HISTORY.setdefault(_schema.name, {})[_schema.since_version] = _schema


def versions(op):
    """Opsets to test: where the schema changed from 7 on, and 7 itself for what was there before."""
    known = sorted(v for v in HISTORY[op] if v <= LAST and not HISTORY[op][v].deprecated)
    return sorted({max(FIRST, v) for v in known if v > FIRST} | ({FIRST} if known[0] <= FIRST else set()))


def schema_at(op, opset):
    return HISTORY[op][max(v for v in HISTORY[op] if v <= opset)]


def types_at(op, opset, operand):
    """Words of Tercel's element types that the operand may have."""
    schema = schema_at(op, opset)
    if not schema.inputs:
        return ["float"]
    formal = schema.inputs[min(operand, len(schema.inputs) - 1)]
    found = []
    for text in formal.types:
        word = re.fullmatch(r"tensor\((\w+)\)", text)
        if word and word.group(1) in DTYPES:
            found.append(word.group(1))
    return sorted(found, key=list(DTYPES).index)


CASES = {}
SKIPPED = []


class Case:
    def __init__(self, op, opset, note, operands, attrs, outputs, dtype, by_hand, refused, result_types):
        self.op, self.opset, self.note, self.operands, self.attrs = op, opset, note, operands, attrs
        self.outputs, self.dtype, self.by_hand, self.refused, self.result_types = outputs, dtype, by_hand, refused, result_types
        self.source = "-"

    def inputs(self, word=None):
        own, wide = DTYPES[self.dtype], DTYPES[word or self.dtype]
        return {f"x{i}": o.array(own, wide) for i, o in enumerate(self.operands) if o is not None and not o.constant}

    def model(self, word=None):
        """The model, its typed operands held in the type `word`."""
        own, dtype = DTYPES[self.dtype], DTYPES[word or self.dtype]
        names = ["" if o is None else f"x{i}" for i, o in enumerate(self.operands)]
        results = self.outputs if isinstance(self.outputs, list) else [f"y{i}" for i in range(self.outputs)]
        attrs = {k: v(dtype) if callable(v) else v for k, v in self.attrs.items()}
        node = helper.make_node(self.op, names, results, **attrs)
        fed = [helper.make_tensor_value_info(n, CODES[a.dtype], a.shape) for n, a in self.inputs(word).items()]
        constants = [numpy_helper.from_array(o.array(own, dtype), f"x{i}")
                     for i, o in enumerate(self.operands) if o is not None and o.constant]
        made = [helper.make_tensor_value_info(r, 0, None) for r in results if r]
        for info in made:
            info.ClearField("type")
        graph = helper.make_graph([node], "g", fed, made, constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def run_ort(self, word):
        """In a process of its own: a model that ONNX Runtime has no kernel for can end it."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            with os.fdopen(writing, "wb") as out:
                try:
                    pickle.dump(self.run_ort_here(word), out)
                except BaseException as error:
                    pickle.dump(str(error), out)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            raw = answer.read()
        os.waitpid(child, 0)
        result = pickle.loads(raw) if raw else "ended by a signal"
        if isinstance(result, str):
            raise RuntimeError(result)
        return result

    def run_ort_here(self, word):
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(self.model(word).SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, self.inputs(word))

    def right_values(self):
        dtype, word = DTYPES[self.dtype], self.dtype
        if self.by_hand == "reference":
            return self.run_reference()
        if self.by_hand is not None:
            self.source = "by hand"
            operands = [None if o is None else o.array(dtype) for o in self.operands]
            result = self.by_hand(*operands)
            return list(result) if isinstance(result, (tuple, list)) else [result]
        if dtype != BF16:
            try:
                values = self.run_ort(word)
                self.source = "ONNX Runtime"
                return values
            except Exception as error:
                why = str(error)
                if "NOT_IMPLEMENTED" not in why and "INVALID_GRAPH" not in why and "Could not find an implementation" not in why:
                    print(f"  {self.op}-{self.opset} {self.dtype} ({self.note}): {why[:300]}", file=sys.stderr)
        typed_results = self.result_types or [f.type_str for f in schema_at(self.op, self.opset).outputs]
        first = schema_at(self.op, self.opset).inputs
        for wide in WIDER.get(word, []):
            try:
                values = self.run_ort(wide)
            except Exception:
                continue
            self.source = f"ONNX Runtime in {wide}"
            own = next(o for o in range(len(self.operands)) if self.operands[o] is not None and self.operands[o].typed)
            symbol = first[min(own, len(first) - 1)].type_str
            return [v.astype(dtype) if typed_results[min(i, len(typed_results) - 1)] == symbol else v
                    for i, v in enumerate(values)]
        return self.run_reference()

    def run_reference(self):
        self.source = "ONNX reference"
        evaluator = onnx.reference.ReferenceEvaluator(self.model())
        return [np.asarray(v) for v in evaluator.run(None, self.inputs())]


def C(op, note, operands, attrs=None, since=FIRST, until=LAST, outputs=1, types=None, type_of=0, by_hand=None,
      refused=False, results=None, every_version=True):
    """A case at every version of the operator within [since, until]. `types`: the element types; None: "float" at every
    version, and each other type once, at the version that brought it."""
    before = set()
    for opset in versions(op):
        allowed = types_at(op, opset, type_of)
        if since <= opset <= until:
            if types is not None:
                words = [t for t in types if t in allowed or refused]
            else:
                main = "float" if "float" in allowed else allowed[0]
                words = [main] + [t for t in allowed if t not in before and t != main]
            for word in words:
                CASES.setdefault(op, []).append(
                    Case(op, opset, note, operands, attrs or {}, outputs, word, by_hand, refused, results))
            before = set(allowed)
        if not every_version and since <= opset:
            return


def all_types(op, note, operands, attrs=None, **more):
    C(op, note, operands, attrs, types=None, **more)


def one_type(op, note, operands, attrs=None, **more):
    C(op, note, operands, attrs, types=["float"], **more)


exec(open(os.path.join(HERE, "cases.py")).read())


def array_bytes(a):
    a = np.ascontiguousarray(a).reshape(np.shape(a))
    head = struct.pack("<BB", CODES[a.dtype], a.ndim) + struct.pack(f"<{a.ndim}q", *a.shape)
    raw = a.tobytes()
    return head + struct.pack("<I", len(raw)) + raw


def text_bytes(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(raw)) + raw


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    table = re.findall(r"^- (\w+) \((\d+)\)", open(os.path.join(HERE, "../../docs/operators.md")).read(), re.M)
    operators = sorted({name for name, _ in table} | {"Dropout", "Upsample", "Scatter"})
    lines, total, missing, covered, sources = [], 0, [], 0, {}
    for op in operators:
        cases = CASES.get(op, [])
        for opset in versions(op):
            if any(c.opset == opset for c in cases):
                covered += 1
            else:
                missing.append(f"{op}-{opset}")
        blob, count = b"", 0
        for case in cases:
            label = f"{op:24} {case.opset:2}  {case.dtype:8} {case.note}"
            try:
                wanted = [] if case.refused else case.right_values()
                if not case.refused:
                    wanted = [np.asarray(w) for w in wanted]
                model = case.model().SerializeToString()
                inputs = list(case.inputs().values())
                body = b"".join(array_bytes(a) for a in inputs) + struct.pack("<I", len(wanted))
                body += b"".join(array_bytes(a) for a in wanted)
            except Exception as error:
                print(f"NO VALUE {label}: {str(error)[:300]}", file=sys.stderr)
                continue
            sources[case.source] = sources.get(case.source, 0) + 1
            lines.append(f"{label}  [{'refused in words' if case.refused else case.source}]")
            name = f"{op}-{case.opset} {case.dtype}: {case.note}"
            blob += text_bytes(name) + struct.pack("<IB", case.opset, case.refused) + text_bytes(model)
            blob += struct.pack("<I", len(inputs)) + body
            count += 1
        with open(os.path.join(folder, f"{op}.cases"), "wb") as out:
            out.write(b"tercel opset cases 1\n" + struct.pack("<I", count) + blob)
        total += count
    with open(os.path.join(folder, "cases.txt"), "w") as out:
        out.write("# operator, opset, element type, what the case holds, [where the right value comes from]\n")
        out.write("\n".join(lines) + "\n")
    print(f"{len(operators)} operators, {covered} versions, {total} cases; {sources}")
    if missing:
        sys.exit("versions without a case: " + " ".join(missing))


main()

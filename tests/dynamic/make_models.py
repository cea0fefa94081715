#!/usr/bin/env python3
"""Writes the models of this folder: networks whose inputs leave extents open. Needs onnx and numpy."""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(1)


def constant(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def save(name, nodes, inputs, outputs, constants, metadata={}):
    def port(p):
        return helper.make_tensor_value_info(p[0], TensorProto.FLOAT, p[1])

    graph = helper.make_graph(nodes, name, [port(p) for p in inputs], [port(p) for p in outputs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, os.path.join(HERE, f"{name}.onnx"))


node = helper.make_node
# Convolution, then the places of the picture as rows (their number computed from the shape), then a product.
save("picture",
     [node("Conv", ["x", "w"], ["c"]),
      node("Shape", ["c"], ["shape"]), node("Gather", ["shape", "first"], ["batch"]),
      node("Concat", ["batch", "rest"], ["rows"], axis=0),
      node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]), node("Reshape", ["t", "rows"], ["r"]),
      node("MatMul", ["r", "m"], ["y"])],
     [("x", ["N", 3, "H", "W"])], [("y", ["N", "P", 5])],
     [constant("w", np.round(random.uniform(-1, 1, (4, 3, 3, 3)), 2)), constant("m", np.round(random.uniform(-1, 1, (4, 5)), 2)),
      constant("first", [0], np.int64), constant("rest", [-1, 4], np.int64)])
save("sequence", [node("Add", ["a", "b"], ["y"])], [("a", ["N", "T", 4]), ("b", ["N", "T", 4])], [("y", ["N", "T", 4])], [])
save("classifier",
     [node("Conv", ["x", "w"], ["c"], strides=[2, 2]), node("Relu", ["c"], ["r"]), node("Conv", ["r", "v"], ["d"]),
      node("Relu", ["d"], ["s"]), node("GlobalAveragePool", ["s"], ["g"]), node("Flatten", ["g"], ["f"]),
      node("Gemm", ["f", "m"], ["y"])],
     [("x", ["N", 3, "H", "W"])], [("y", ["N", 10])],
     [constant("w", np.round(random.normal(0, 0.3, (8, 3, 3, 3)), 2)), constant("v", np.round(random.normal(0, 0.3, (8, 8, 3, 3)), 2)),
      constant("m", np.round(random.normal(0, 1, (8, 10)), 2))],
     {"tercel.preprocess.width": "24", "tercel.preprocess.height": "20", "tercel.preprocess.resize": "28"})
save("product", [node("MatMul", ["x", "w"], ["y"])], [("x", ["N", "T", 4])], [("y", ["N", "T", 3])],
     [constant("w", np.round(random.normal(0, 1, (4, 3)), 2))])

#!/usr/bin/env python3
"""Makes lenet.onnx, the quantized LeNet-5 of tests/intel_emulator_test.sh and tests/pipeline_test.sh. Run by hand:

    python3 make_lenet.py floats.onnx     (onnx, numpy)
    tercel quantize floats.onnx --calibrate ../../models/photos --preprocess mnist -o lenet.onnx

Its topology is LeNet-5's with ReLU and maximum pools; its weights are random (He's deviations), seed 1.
"""
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save


def main() -> None:
    generator = np.random.default_rng(1)
    nodes, constants = [], []

    def constant(name: str, array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def weights(name: str, *dims: int) -> list:
        deviation = np.sqrt(2 / np.prod(dims[1:]))
        return [constant(name + ".weight", generator.normal(0, deviation, dims)),
                constant(name + ".bias", generator.normal(0, 0.1, dims[0]))]

    def add(op: str, inputs: list, output: str, **attributes) -> str:
        nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    x = "x"
    for name, dims, pad in (("conv1", (6, 1, 5, 5), 2), ("conv2", (16, 6, 5, 5), 0)):
        x = add("Conv", [x, *weights(name, *dims)], name, kernel_shape=[5, 5], pads=[pad] * 4)
        x = add("Relu", [x], name + ".relu")
        x = add("MaxPool", [x], name + ".pool", kernel_shape=[2, 2], strides=[2, 2])
    x = add("Flatten", [x], "flat")
    for name, dims in (("fc1", (120, 400)), ("fc2", (84, 120)), ("logits", (10, 84))):
        x = add("Gemm", [x, *weights(name, *dims)], name, transB=1)
        if name != "logits":
            x = add("Relu", [x], name + ".relu")
    graph = helper.make_graph(
        nodes, "lenet", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    checker.check_model(model)
    save(model, sys.argv[1])


if __name__ == "__main__":
    main()
